#include "backends/opencl/tactic_registry.h"

#include "backends/opencl/host_tactics.h"

namespace layerwise {

void registerAllOpenClTactics(opencl::TacticRegistry& registry);

namespace opencl {

TacticRegistry::TacticRegistry(const Device& device) : device_(device) {
  registerAllOpenClTactics(*this);
  add(hostPluginTactic());
  add(hostReferenceTactic());  // the last: for what no other takes
}

}  // namespace opencl
}  // namespace layerwise
