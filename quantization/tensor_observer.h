#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "layerwise/thread_pool.h"
#include "quantization/graph_runner.h"

namespace layerwise {

/// Shows what chosen float32 tensors of a graph hold for batches of inputs.
class TensorObserver {
 public:
  /// Called with the index of the tensor; for several tensors at once, from several threads.
  using Visitor = std::function<void(std::size_t index, std::span<const float>, const Dims&)>;

  TensorObserver(const Graph& graph, const std::vector<ValueId>& tensors, int threads);

  /// Runs the batch, and shows each tensor once; a graph's input only where the batch holds it.
  void run(const CalibrationBatch& batch, const Visitor& visit);

 private:
  struct Tensor {
    std::string input;       ///< name of a graph's input; empty: computed
    std::size_t output = 0;  ///< of the runner, where computed
  };
  std::vector<Tensor> tensors_;
  std::unique_ptr<GraphRunner> runner_;  ///< none where nothing is computed
  ThreadPool pool_;
};

}  // namespace layerwise
