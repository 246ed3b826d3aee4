#include "quantization/tensor_observer.h"

namespace layerwise {

TensorObserver::TensorObserver(const Graph& graph, const std::vector<ValueId>& tensors, int threads)
    : pool_(threads) {
  std::vector<ValueId> computed;
  for (ValueId value : tensors) {
    bool isInput = graph.value(value).producer == kNone;
    tensors_.push_back({isInput ? graph.value(value).name : std::string(), computed.size()});
    if (!isInput) computed.push_back(value);
  }
  // With nothing to compute there is no engine: the inputs themselves are what counts.
  if (computed.empty()) return;
  Graph observed = graph;
  replaceOutputs(observed, computed);
  runner_ = std::make_unique<GraphRunner>(std::move(observed), threads);
}

void TensorObserver::run(const CalibrationBatch& batch, const Visitor& visit) {
  if (runner_) runner_->run(batch);
  pool_.run([&](int worker) {
    for (auto i = static_cast<std::size_t>(worker); i < tensors_.size();
         i += static_cast<std::size_t>(pool_.size())) {
      const Tensor& tensor = tensors_[i];
      if (tensor.input.empty()) {
        visit(i, runner_->output(tensor.output), runner_->outputDims(tensor.output));
      } else if (auto found = batch.inputs.find(tensor.input); found != batch.inputs.end()) {
        const auto& [data, dims] = found->second;
        visit(i, {static_cast<const float*>(data), static_cast<std::size_t>(dims.volume())}, dims);
      }
    }
  });
}

}  // namespace layerwise
