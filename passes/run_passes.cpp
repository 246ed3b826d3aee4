#include "passes/passes.h"

namespace layerwise {

void runPasses(Graph& graph) {
  constexpr bool (*kPasses[])(Graph&) = {removeIdentities,        foldConstants,
                                         absorbShapeOperands,     absorbConstantOperands,
                                         recognizeFullyConnected, recognizeGlobalPooling,
                                         recognizeSilu,           recognizeHardSwish,
                                         recognizeMish,           foldAffine};
  graph.compact();
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto pass : kPasses) changed |= pass(graph);
    if (!changed) changed = mergeSiblings(graph);  // when their activations have their last form
    graph.compact();
  }
}

}  // namespace layerwise
