#include "quantization/quantize_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"
#include "passes/quantization.h"
#include "quantization/calibrate.h"
#include "quantization/sensitivity.h"

namespace layerwise {
namespace {

constexpr std::size_t kJudgedBatches = 16;

/// What the configuration's table says, calibrated where it is empty.
CalibrationTable tableOf(const Graph& graph, const std::vector<ValueId>& tensors,
                         const BuilderConfig& config, KeptBatches& kept) {
  if (config.calibrationTable && !config.calibrationTable->ranges.empty())
    return *config.calibrationTable;
  if (!config.calibrator) return {};
  KeepingCalibrator calibrator(*config.calibrator, kept, graph);
  CalibrationTable table = calibrate(graph, tensors, calibrator,
                                     {.threads = config.threads, .progress = config.progress});
  if (config.calibrationTable) *config.calibrationTable = table;
  return table;
}

/// Where the ranges were known, no batch has been asked for yet.
void fill(KeptBatches& kept, const Graph& graph, const BuilderConfig& config) {
  CalibrationBatch batch;
  if (kept.all().empty() && config.calibrator)
    while (!kept.isFull() && config.calibrator->nextBatch(batch)) {
      kept.keep(batch, graph);
      batch.inputs.clear();
    }
  if (kept.all().empty())
    throw Error(ErrorCode::kInvalidArgument,
                "[builder] maxDrop needs a calibrator's batches to measure on");
}

}  // namespace

void quantizeGraph(Graph& graph, const BuilderConfig& config) {
  std::vector<ValueId> tensors = tensorsToQuantize(graph, {});
  if (tensors.empty()) return;
  KeptBatches kept(config.maxDrop > 0 ? kJudgedBatches : 0);
  CalibrationTable table = tableOf(graph, tensors, config, kept);
  std::vector<std::string> names = distinctNames(graph);
  RangeOf rangeOf = [&](ValueId value) -> std::optional<CalibratedRange> {
    if (const auto& given = graph.value(value).range) return given;
    auto range = table.ranges.find(names[static_cast<std::size_t>(value)]);
    if (range != table.ranges.end()) return range->second;
    return {};
  };
  if (std::none_of(tensors.begin(), tensors.end(), [&](ValueId id) { return rangeOf(id); }))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[builder] int8 needs the ranges of tensors: give a calibrator, or a "
                            "table that holds '{}' and others",
                            names[static_cast<std::size_t>(tensors.back())]));
  FloatLayers floatLayers;
  if (config.maxDrop > 0) {
    fill(kept, graph, config);
    QuantizationReport report;
    floatLayers =
        chooseFloatLayers(graph, rangeOf, kept, config.maxDrop,
                          {.threads = config.threads, .progress = config.progress}, report);
    if (config.quantizationReport) *config.quantizationReport = std::move(report);
  }
  insertQuantization(graph, floatLayers, rangeOf);
}

}  // namespace layerwise
