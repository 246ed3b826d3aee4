#include "quantization/calibrate.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "layerwise/error.h"
#include "layerwise/thread_pool.h"
#include "quantization/graph_runner.h"

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
                           Calibrator& calibrator, const CalibrationRun& run) {
  std::vector<std::string> names = distinctNames(graph);
  std::vector<ValueId> computed;
  std::map<std::string, ValueId> inputs;
  for (ValueId value : tensors) {
    if (graph.value(value).producer == kNone)
      inputs.emplace(graph.value(value).name, value);
    else
      computed.push_back(value);
  }
  // With nothing to compute there is no engine: the inputs themselves are what counts.
  std::optional<GraphRunner> runner;
  if (!computed.empty()) {
    Graph observed = graph;
    replaceOutputs(observed, computed);
    runner.emplace(std::move(observed), run.threads);
  }
  std::vector<TensorHistogram> histograms(computed.size());
  std::map<std::string, TensorHistogram> inputHistograms;
  ThreadPool pool(run.threads);
  int batches = 0;
  for (CalibrationBatch batch; calibrator.nextBatch(batch); batch.inputs.clear(), ++batches) {
    // How many there are, the calibrator alone knows.
    if (run.progress && !run.progress(1 - 1 / (1 + batches / 50.0), "calibrating"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while calibrating");
    if (runner) runner->run(batch);
    pool.run([&](int worker) {
      for (std::size_t i = static_cast<std::size_t>(worker); i < histograms.size();
           i += static_cast<std::size_t>(pool.size()))
        histograms[i].add(runner->output(i));
    });
    for (const auto& [name, input] : batch.inputs)
      if (inputs.contains(name))
        inputHistograms[name].add(
            {static_cast<const float*>(input.data), static_cast<std::size_t>(input.dims.volume())});
  }
  if (!batches)
    throw Error(ErrorCode::kInvalidArgument, "[calibrator] gives no batch to calibrate with");
  CalibrationTable table{.method = calibrator.method()};
  auto set = [&](ValueId value, const CalibratedRange& range) {
    const std::string& name = names[static_cast<std::size_t>(value)];
    expectRange(name, range);
    table.ranges[name] = range;
  };
  for (const auto& [name, histogram] : inputHistograms) set(inputs.at(name), inputRange(histogram));
  for (std::size_t i = 0; i < computed.size(); ++i)
    set(computed[i],
        calibrator.chooseRange(names[static_cast<std::size_t>(computed[i])], histograms[i]));
  return table;
}

}  // namespace layerwise
