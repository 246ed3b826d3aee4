#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "layerwise/engine.h"

namespace layerwise {

/// Runs a graph, as it is, on batches.
class GraphRunner {
 public:
  /// Builds an engine at level 0. The graph's outputs must be of type float32.
  GraphRunner(Graph graph, int threads);

  /// Throws Error for inputs that the graph does not have, lacks or refuses.
  void run(const CalibrationBatch& batch);
  /// Output `index` of the last batch.
  std::span<const float> output(std::size_t index) const {
    return {outputs_[index].data.get(), outputs_[index].count};
  }
  const Dims& outputDims(std::size_t index) const { return dims_[index]; }

 private:
  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<ExecutionContext> context_;
  struct Output {
    std::unique_ptr<float[]> data;  ///< not set to zero before it is written
    std::size_t count = 0, room = 0;
  };
  std::vector<Output> outputs_;
  std::vector<Dims> dims_;
};

/// Makes these values the graph's outputs, in this order.
void replaceOutputs(Graph& graph, const std::vector<ValueId>& values);

}  // namespace layerwise
