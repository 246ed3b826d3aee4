#include "quantization/sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "layerwise/error.h"
#include "passes/shape_facts.h"
#include "quantization/graph_runner.h"

namespace layerwise {
namespace {

/// What errors are measured on: the outputs, and for one that is no float tensor or that a plugin
/// makes (boxes, counts), what it is made of.
class JudgedValues {
 public:
  explicit JudgedValues(const Graph& graph) : graph_(graph), facts_(graph) {
    for (const GraphOutput& output : graph.outputs) walk(output.value);
  }
  const std::vector<ValueId>& all() const { return values_; }

 private:
  void walk(ValueId value) {
    NodeId producer = graph_.value(value).producer;
    if (producer == kNone) return;
    const Node& node = graph_.node(producer);
    if (facts_.type(value) == DataType::kFloat32 && !node.as<PluginLayer>()) {
      if (std::find(values_.begin(), values_.end(), value) == values_.end())
        values_.push_back(value);
      return;
    }
    for (ValueId input : node.inputs) walk(input);
  }

  const Graph& graph_;
  ShapeFacts facts_;
  std::vector<ValueId> values_;
};

class Judge {
 public:
  Judge(const Graph& graph, const RangeOf& rangeOf, const RoundedWeights& weights,
        std::span<const CalibrationBatch> batches, int threads)
      : graph_(graph), weights_(weights), batches_(batches), threads_(threads) {
    // Ranges are found by a value's number, and new outputs renumber the values.
    for (ValueId value = 0; value < static_cast<ValueId>(graph.values.size()); ++value)
      if (auto range = rangeOf(value)) graph_.value(value).range = range;
    replaceOutputs(graph_, JudgedValues(graph).all());
    GraphRunner runner(graph_, threads);
    want_ = outputsOf(runner);
  }

  std::vector<NodeId> layers() const { return quantizableLayers(graph_, {}); }
  const std::string& nameOf(NodeId id) const { return graph_.node(id).name; }

  /// The error, in percent, with these layers kept out.
  double error(const FloatLayers& floatLayers) const {
    Graph quantized = graph_;
    insertQuantization(quantized, floatLayers,
                       [&](ValueId value) { return quantized.value(value).range; });
    runQuantizationPasses(quantized);
    useRoundedWeights(quantized, weights_);
    GraphRunner runner(std::move(quantized), threads_);
    std::vector<std::vector<float>> got = outputsOf(runner);
    double sum = 0;
    for (std::size_t i = 0; i < got.size(); ++i) sum += relativeNoise(want_[i], got[i]);
    return 100 * std::sqrt(sum / static_cast<double>(got.size()));
  }

 private:
  /// Of all batches, one output after the other.
  std::vector<std::vector<float>> outputsOf(GraphRunner& runner) const {
    std::vector<std::vector<float>> outputs(graph_.outputs.size());
    for (const CalibrationBatch& batch : batches_) {
      runner.run(batch);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        outputs[i].insert(outputs[i].end(), runner.output(i).begin(), runner.output(i).end());
    }
    return outputs;
  }

  static double relativeNoise(const std::vector<float>& want, const std::vector<float>& got) {
    double signal = 0, noise = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      double difference = static_cast<double>(got[i]) - want[i];
      signal += static_cast<double>(want[i]) * want[i];
      noise += difference * difference;
    }
    return signal > 0 ? noise / signal : noise > 0 ? 1 : 0;
  }

  Graph graph_;
  const RoundedWeights& weights_;
  std::span<const CalibrationBatch> batches_;
  int threads_;
  std::vector<std::vector<float>> want_;
};

}  // namespace

FloatLayers chooseFloatLayers(const Graph& graph, const RangeOf& rangeOf,
                              const RoundedWeights& weights,
                              std::span<const CalibrationBatch> batches, double maxDrop,
                              const CalibrationRun& run, QuantizationReport& report) {
  Judge judge(graph, rangeOf, weights, batches, run.threads);
  std::vector<NodeId> layers = judge.layers();
  FloatLayers all;
  for (NodeId id : layers) all.insert(judge.nameOf(id));
  report = {.errorOfAll = judge.error({})};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    double done = static_cast<double>(i) / static_cast<double>(layers.size());
    if (run.progress && !run.progress(done, "measuring sensitivities"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while measuring sensitivities");
    FloatLayers others = all;
    others.erase(judge.nameOf(layers[i]));
    report.layers.push_back({judge.nameOf(layers[i]), judge.error(others), false});
  }
  std::stable_sort(
      report.layers.begin(), report.layers.end(),
      [](const LayerSensitivity& a, const LayerSensitivity& b) { return a.error > b.error; });
  auto worst = [&](std::size_t count) {
    FloatLayers kept;
    for (std::size_t i = 0; i < count; ++i) kept.insert(report.layers[i].layer);
    return kept;
  };
  // The fewest of the worst that do; without any quantised layer there is no error.
  report.error = report.errorOfAll;
  std::size_t low = 0, high = report.errorOfAll <= maxDrop ? 0 : layers.size();
  if (high) report.error = 0;
  while (low < high) {
    std::size_t middle = low + (high - low) / 2;
    double error = judge.error(worst(middle));
    if (error <= maxDrop) {
      high = middle;
      report.error = error;
    } else {
      low = middle + 1;
    }
  }
  for (std::size_t i = 0; i < high; ++i) report.layers[i].keptFloat = true;
  return worst(high);
}

std::string toText(const QuantizationReport& report) {
  std::string text = "error %  layer, alone in 8 bits\n";
  std::size_t kept = 0;
  for (const LayerSensitivity& layer : report.layers) {
    kept += layer.keptFloat;
    text += fmt::format("{:7.3f}  {}{}\n", layer.error, layer.layer,
                        layer.keptFloat ? "  (float)" : "");
  }
  return text +
         fmt::format(
             "error    {:.3f} % with all layers in 8 bits, {:.3f} % with {} of {} in float\n",
             report.errorOfAll, report.error, kept, report.layers.size());
}

}  // namespace layerwise
