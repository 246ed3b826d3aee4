#pragma once

#include <memory>
#include <vector>

#include "engine/backend.h"
#include "engine/graph.h"
#include "engine/selection.h"

namespace layerwise {

/// A selection bound to concrete shapes: the steps in order and the places of all tensors.
/// Immutable.
struct Program {
  ShapeTable shapes;
  std::vector<BoundStep> steps;
  WorkingMemory memory;
  std::vector<IoBuffer> io;  ///< buffers 1...
  int reformats = 0;
};

/// What a program does with a batch.
enum class BatchOrder {
  kWhole,  ///< all workers share each step on all images
  kLanes   ///< where that is faster, each worker takes a few images through several steps
};

/// Resolves views, places tensors and binds every region. `packed` is by region. Buffers: 0 is the
/// arena, then the graph's inputs, then its outputs.
Program bindProgram(const Graph& graph, const Selection& selection,
                    const std::vector<std::shared_ptr<const void>>& packed, const Backend& backend,
                    const std::vector<Dims>& inputDims, int workers, BatchOrder order);

}  // namespace layerwise
