#include "quantization/calibrate.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "layerwise/error.h"
#include "quantization/tensor_observer.h"

namespace layerwise {
namespace {

/// A picture whose numbers are between 0 and 1 was made of bytes: 255 steps of 1 / 255 hold it
/// without loss.
CalibratedRange inputRange(const TensorHistogram& histogram) {
  CalibratedRange range = minMaxRange(histogram);
  bool picture = range.first >= 0 && range.second > 0.9 && range.second <= 1;
  return picture ? CalibratedRange{0, 1} : range;
}

void expectRange(std::string_view name, const CalibratedRange& range) {
  if (!std::isfinite(range.first) || !std::isfinite(range.second) || range.first > range.second)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[calibrator] the range {}...{} of tensor '{}' is no range",
                            range.first, range.second, name));
}

}  // namespace

std::vector<std::string> distinctNames(const Graph& graph) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const Value& value : graph.values) {
    std::string name = value.name;
    for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}#{}", value.name, i);
    names.push_back(std::move(name));
  }
  return names;
}

CalibrationTable calibrate(const Graph& graph, const std::vector<ValueId>& tensors,
                           const std::set<ValueId>& evened, MomentsOf& moments,
                           Calibrator& calibrator, const CalibrationRun& run) {
  std::vector<std::string> names = distinctNames(graph);
  // What is to be seen of a value: its histogram, the moments of the layers that read it, or both.
  struct Seen {
    TensorHistogram* histogram = nullptr;
    std::vector<LayerMoments*> moments;
  };
  std::vector<TensorHistogram> histograms(tensors.size());
  std::map<ValueId, Seen> wanted;
  for (std::size_t i = 0; i < tensors.size(); ++i) wanted[tensors[i]].histogram = &histograms[i];
  for (const Node& node : graph.nodes)
    if (auto found = moments.find(node.name); node.kind && found != moments.end())
      wanted[node.inputs[0]].moments.push_back(&found->second);
  std::vector<ValueId> values;
  std::vector<Seen> seen;
  for (auto& [value, what] : wanted) values.push_back(value), seen.push_back(std::move(what));
  TensorObserver observer(graph, values, run.threads);
  int batches = 0;
  for (CalibrationBatch batch; calibrator.nextBatch(batch); batch.inputs.clear(), ++batches) {
    // How many there are, the calibrator alone knows.
    if (run.progress && !run.progress(1 - 1 / (1 + batches / 50.0), "calibrating"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while calibrating");
    observer.run(batch, [&](std::size_t i, std::span<const float> numbers, const Dims& dims) {
      if (seen[i].histogram) seen[i].histogram->add(numbers);
      for (LayerMoments* layer : seen[i].moments) layer->add(numbers, dims);
    });
  }
  if (!batches)
    throw Error(ErrorCode::kInvalidArgument, "[calibrator] gives no batch to calibrate with");
  CalibrationTable table{.method = calibrator.method()};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = names[static_cast<std::size_t>(tensors[i])];
    bool isInput = graph.value(tensors[i]).producer == kNone;
    if (isInput && histograms[i].count() == 0) continue;  // it kept its default
    CalibratedRange range = isInput ? inputRange(histograms[i])
                            : evened.contains(tensors[i])
                                ? minMaxRange(histograms[i])
                                : calibrator.chooseRange(name, histograms[i]);
    expectRange(name, range);
    table.ranges[name] = range;
  }
  return table;
}

}  // namespace layerwise
