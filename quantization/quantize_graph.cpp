#include "quantization/quantize_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "engine/backend.h"
#include "layers/quantized_convolution.h"
#include "layerwise/error.h"
#include "layerwise/thread_pool.h"
#include "passes/quantization.h"
#include "passes/rewrite.h"
#include "quantization/calibrate.h"
#include "quantization/equalize.h"
#include "quantization/float_heads.h"
#include "quantization/float_residuals.h"
#include "quantization/input_errors.h"
#include "quantization/kept_batches.h"
#include "quantization/round_weights.h"
#include "quantization/sensitivity.h"
#include "quantization/tensor_observer.h"

namespace layerwise {
namespace {

constexpr std::size_t kJudgedBatches = 16;
/// What the mean errors of rounded inputs are measured on.
constexpr std::size_t kCorrectingBatches = 64;
/// What the pictures may take that are looked at twice, for equalisation.
constexpr std::size_t kKeptBytes = std::size_t{256} << 20;
static_assert(kCorrectingBatches >= kJudgedBatches);

/// What is known of the numbers in a network, and what was made of it.
class Preparation {
 public:
  Preparation(Graph& graph, const BuilderConfig& config)
      : graph_(graph),
        config_(config),
        tensors_(tensorsToQuantize(graph, {})),
        kept_(graph, limits(!mayEqualize(config) || equalizationGroups(graph).empty())) {
    if (config.calibrator) calibrator_.emplace(*config.calibrator, kept_);
    if (config.calibrationTable) table_ = *config.calibrationTable;
    bool known = !table_.ranges.empty();
    equalize(known);
    tensors_ = tensorsToQuantize(graph, {});
    std::erase_if(tensors_, [&](ValueId value) { return floatResiduals_.contains(value); });
    if (!calibrator_) return;
    MomentsOf moments = layersToRound();
    // Where the ranges are known, too, the same tensors are looked at: with others, layers could be
    // computed in other ways, of other last bits, and weights rounded otherwise.
    CalibrationTable found = calibrate(graph, tensors_, evened_, moments, *calibrator_, run());
    if (!known) {
      found.channelFactors = std::move(table_.channelFactors);
      table_ = std::move(found);
      if (config.calibrationTable) *config.calibrationTable = table_;
    }
    round(moments);
  }

  const std::vector<ValueId>& tensors() const { return tensors_; }
  const CalibrationTable& table() const { return table_; }
  const RoundedWeights& weights() const { return weights_; }
  RangeOf rangeOf() const {
    return [this, names = distinctNames(graph_)](ValueId value) -> std::optional<CalibratedRange> {
      if (const auto& given = graph_.value(value).range) return given;
      auto range = table_.ranges.find(names[static_cast<std::size_t>(value)]);
      if (range != table_.ranges.end()) return range->second;
      return {};
    };
  }
  CalibrationRun run() const { return {.threads = config_.threads, .progress = config_.progress}; }
  /// The first batches, at most as many as layers are judged by.
  std::span<const CalibrationBatch> judges() const {
    return std::span(kept_.all()).first(std::min(kept_.all().size(), kJudgedBatches));
  }

 private:
  /// By what the calibrator's pictures ask for.
  static bool mayEqualize(const BuilderConfig& config) {
    return config.calibrator && config.calibrator->usesHistograms();
  }

  static KeptBatches::Limits limits(bool once) {
    if (!once) return {.bytes = kKeptBytes};
    return {.count = kCorrectingBatches, .bytes = kKeptBytes};
  }

  /// By the factors of the table, or by those that the calibrator's pictures ask for.
  void equalize(bool known) {
    std::vector<EqualizationGroup> groups = equalizationGroups(graph_);
    if (groups.empty() || (!known && !mayEqualize(config_))) return;
    std::map<ValueId, ChannelStatistics> seen;
    if (!known) seen = channelStatistics(groups);
    if (keepResidualsFloat(known, seen)) groups = equalizationGroups(graph_);
    std::vector<std::string> names = distinctNames(graph_);
    StatisticsOf statisticsOf = [&](ValueId value) -> const ChannelStatistics* {
      auto found = seen.find(value);
      return found == seen.end() || found->second.isEmpty() ? nullptr : &found->second;
    };
    for (const EqualizationGroup& group : groups) {
      const std::string& name =
          names[static_cast<std::size_t>(graph_.node(group.writers[0]).outputs[0])];
      std::vector<double> factors =
          known ? table_.channelFactors[name] : chooseFactors(graph_, group, statisticsOf);
      if (factors.empty()) continue;
      if (static_cast<std::int64_t>(factors.size()) != group.channels)
        throw Error(ErrorCode::kBadFile,
                    fmt::format("[calibration] '@{}' has {} factors for {} channels", name,
                                factors.size(), group.channels));
      if (!scaleChannels(graph_, group, factors)) continue;
      table_.channelFactors[name] = factors;
      // The least squared error takes what is cut off for rare; other methods know what they want.
      if (!calibrator_ || calibrator_->method() != toString(CalibrationMethod::kMse)) continue;
      std::copy_if(group.values.begin(), group.values.end(), std::inserter(evened_, evened_.end()),
                   [&](ValueId value) { return isBounded(graph_, value); });
    }
  }

  /// Those that 8 bits hold badly, or that the table says so of: a copy of them has a range.
  bool keepResidualsFloat(bool known, std::map<ValueId, ChannelStatistics>& seen) {
    const std::vector<std::string> names = distinctNames(graph_);
    for (ValueId value : residuals(graph_)) {
      const std::string copy = nameOfCopy(names[static_cast<std::size_t>(value)]);
      auto statistics = seen.find(value);
      const bool badly = statistics != seen.end() && !statistics->second.isEmpty() &&
                         isHeldBadly(statistics->second);
      if (known ? !table_.ranges.contains(copy) : !badly) continue;
      const ValueId id = copyForLayers(graph_, value, copy);
      // Nothing bounds the channels of what stays in float.
      if (badly) seen[id] = std::move(statistics->second), seen.erase(value);
      floatResiduals_.insert(value);
    }
    return !floatResiduals_.empty();
  }

  std::map<ValueId, ChannelStatistics> channelStatistics(
      const std::vector<EqualizationGroup>& groups) {
    std::set<ValueId> wanted(tensors_.begin(), tensors_.end());
    for (const EqualizationGroup& group : groups) {
      for (ValueId value : group.values)
        if (producedBy<Activation>(graph_, value)) wanted.insert(value);
      for (NodeId reader : group.readers) wanted.insert(graph_.node(reader).inputs[0]);
    }
    std::vector<ValueId> values;
    for (const EqualizationGroup& group : groups)
      std::copy_if(group.values.begin(), group.values.end(), std::back_inserter(values),
                   [&](ValueId value) { return wanted.contains(value); });
    std::vector<ChannelStatistics> seen(values.size());
    TensorObserver observer(graph_, values, config_.threads);
    CalibrationBatch batch;
    for (int batches = 0; calibrator_->canKeepNext() && calibrator_->nextBatch(batch);
         batch.inputs.clear(), ++batches) {
      if (config_.progress && !config_.progress(1 - 1 / (1 + batches / 50.0), "equalizing"))
        throw Error(ErrorCode::kCancelled, "[builder] cancelled while equalizing");
      observer.run(batch, [&](std::size_t i, std::span<const float> numbers, const Dims& dims) {
        seen[i].add(numbers, dims);
      });
    }
    calibrator_->rewind();
    std::map<ValueId, ChannelStatistics> byValue;
    for (std::size_t i = 0; i < values.size(); ++i) byValue[values[i]] = std::move(seen[i]);
    return byValue;
  }

  /// Those that the network itself does not quantise.
  MomentsOf layersToRound() {
    MomentsOf moments;
    for (NodeId id : quantizableLayers(graph_, {})) {
      const Node& node = graph_.node(id);
      if (producedBy<Dequantize>(graph_, node.inputs[0])) continue;
      ids_[node.name] = id;
      moments.emplace(node.name, node);
    }
    return moments;
  }

  void round(const MomentsOf& moments) {
    std::vector<NodeId> layers;
    for (const auto& [layer, seen] : moments)
      if (!seen.isEmpty()) layers.push_back(ids_.at(layer));
    const std::vector<CalibrationBatch>& kept = kept_.all();
    const InputErrors errors =
        inputErrors(graph_, layers, rangeOf(),
                    std::span(kept).first(std::min(kept.size(), kCorrectingBatches)), run());
    const Backend& backend = findBackend(config_.device);
    // The last layers give what the user sees, unrounded, and are a small part of the work.
    const std::vector<bool> feedsAnother = nodesThatFeed(graph_, quantizableLayers(graph_, {}));
    std::vector<std::vector<ConstantData>> rounded(layers.size());
    ThreadPool pool(config_.threads);
    std::atomic<std::size_t> next = 0;
    pool.runShared([&](int) {
      for (std::size_t i = next++; i < layers.size(); i = next++) {
        const Node& node = graph_.node(layers[i]);
        auto error = errors.find(node.name);
        rounded[i] = roundWeights(
            node, moments.at(node.name),
            feedsAnother[static_cast<std::size_t>(layers[i])] && backend.favoursFittingPairs(node),
            error == errors.end() ? std::span<const double>() : error->second);
      }
    });
    for (std::size_t i = 0; i < layers.size(); ++i)
      weights_[graph_.node(layers[i]).name] = std::move(rounded[i]);
  }

  Graph& graph_;
  const BuilderConfig& config_;
  std::vector<ValueId> tensors_;
  std::set<ValueId> floatResiduals_;
  std::set<ValueId> evened_;  ///< whose channels were scaled towards an activation's bound
  KeptBatches kept_;
  std::optional<ReplayingCalibrator> calibrator_;
  std::map<std::string, NodeId> ids_;  ///< of the layers to round
  CalibrationTable table_;
  RoundedWeights weights_;
};

}  // namespace

void quantizeGraph(Graph& graph, const BuilderConfig& config) {
  const std::size_t layers = quantizableLayers(graph, {}).size();
  // Who allows bytes allows bfloat16, which is more exact.
  if (findBackend(config.device).keepsHeadsFloat())
    keepHeadsFloat(graph,
                   config.precision == DataType::kFloat32 ? DataType::kBFloat16 : config.precision);
  if (tensorsToQuantize(graph, {}).empty()) return;
  Preparation prepared(graph, config);
  const std::vector<ValueId>& tensors = prepared.tensors();
  const CalibrationTable& table = prepared.table();
  const RangeOf rangeOf = prepared.rangeOf();
  if (std::none_of(tensors.begin(), tensors.end(), [&](ValueId id) { return rangeOf(id); }))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[builder] int8 needs the ranges of tensors: give a calibrator, or a "
                            "table that holds '{}' and others",
                            distinctNames(graph)[static_cast<std::size_t>(tensors.back())]));
  FloatLayers floatLayers;
  if (config.maxDrop > 0) {
    if (prepared.judges().empty())
      throw Error(ErrorCode::kInvalidArgument,
                  "[builder] maxDrop needs a calibrator's batches to measure on");
    QuantizationReport report;
    floatLayers = chooseFloatLayers(graph, rangeOf, prepared.weights(), prepared.judges(),
                                    config.maxDrop, prepared.run(), report);
    graph.metadata["int8.sensitivity"] = toText(report);
    if (config.quantizationReport) *config.quantizationReport = std::move(report);
  }
  insertQuantization(graph, floatLayers, rangeOf);
  runQuantizationPasses(graph);
  useRoundedWeights(graph, prepared.weights());
  const auto inBytes = std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.kind && node.as<QuantizedConvolution>();
  });
  graph.metadata["int8.layers"] = fmt::format("{} of {}, ranges by {}", inBytes, layers,
                                              table.method.empty() ? "the network" : table.method);
}

}  // namespace layerwise
