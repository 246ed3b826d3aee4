#include "quantization/input_errors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "layers/round_to_even.h"
#include "layerwise/error.h"
#include "quantization/in_parts.h"
#include "quantization/tensor_observer.h"

namespace layerwise {
namespace {

/// The errors of one tensor, a sum for each channel of it.
class ErrorSums {
 public:
  ErrorSums(const TensorQuantization& quantization, bool eachNumber)
      : scale_(quantization.scale),
        zero_(static_cast<float>(quantization.zeroPoint)),
        eachNumber_(eachNumber) {}

  void add(std::span<const float> numbers, const Dims& dims) {
    if (numbers.empty()) return;
    const auto samples = static_cast<std::size_t>(dims[0]);
    const auto channels =
        eachNumber_ ? numbers.size() / samples : static_cast<std::size_t>(dims[1]);
    const std::size_t plane = numbers.size() / samples / channels;
    sums_.resize(channels);
    for (std::size_t i = 0; i < samples * channels; ++i)
      sums_[i % channels] += sumOf(numbers.subspan(i * plane, plane));
    count_ += static_cast<double>(samples * plane);
  }

  std::vector<double> means() const {
    std::vector<double> means = sums_;
    for (double& mean : means) mean /= count_;
    return means;
  }

 private:
  /// Of what is finite.
  double sumOf(std::span<const float> numbers) const {
    const float inverse = 1 / scale_, low = -zero_, high = 255 - zero_;
    std::array<double, kPart> sums{};
    inParts(numbers, [&](const float* part) {
      for (std::size_t i = 0; i < kPart; ++i) {
        const float x = ifFinite(part[i], 0), quanta = x * inverse;
        const float above = quanta > low ? quanta : low, within = above < high ? above : high;
        sums[i] += static_cast<double>(roundToEven(within) * scale_ - x);
      }
    });
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }

  float scale_, zero_;
  bool eachNumber_;
  double count_ = 0;
  std::vector<double> sums_;
};

}  // namespace

InputErrors inputErrors(const Graph& graph, const std::vector<NodeId>& layers,
                        const RangeOf& rangeOf, std::span<const CalibrationBatch> batches,
                        const CalibrationRun& run) {
  const auto quantizations = inputQuantizations(graph, layers, rangeOf);
  std::map<ValueId, std::size_t> found;
  std::vector<ValueId> tensors;
  std::vector<ErrorSums> sums;
  for (NodeId id : layers) {
    const Node& node = graph.node(id);
    auto quantization = quantizations.find(node.inputs[0]);
    if (quantization == quantizations.end() || !found.emplace(node.inputs[0], sums.size()).second)
      continue;
    tensors.push_back(node.inputs[0]);
    sums.emplace_back(quantization->second, !node.as<Convolution>());
  }
  if (tensors.empty() || batches.empty()) return {};
  TensorObserver observer(graph, tensors, run.threads);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const double done = static_cast<double>(i) / static_cast<double>(batches.size());
    if (run.progress && !run.progress(done, "measuring input errors"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while measuring input errors");
    observer.run(batches[i], [&](std::size_t tensor, std::span<const float> numbers,
                                 const Dims& dims) { sums[tensor].add(numbers, dims); });
  }
  InputErrors errors;
  for (NodeId id : layers)
    if (auto tensor = found.find(graph.node(id).inputs[0]); tensor != found.end())
      errors[graph.node(id).name] = sums[tensor->second].means();
  return errors;
}

}  // namespace layerwise
