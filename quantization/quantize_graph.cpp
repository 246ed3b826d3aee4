#include "quantization/quantize_graph.h"

#include <fmt/format.h>

#include "layerwise/error.h"
#include "passes/quantization.h"
#include "quantization/calibrate.h"

namespace layerwise {
namespace {

/// What the configuration's table says, calibrated where it is empty.
CalibrationTable tableOf(const Graph& graph, const std::vector<ValueId>& tensors,
                         const BuilderConfig& config) {
  if (config.calibrationTable && !config.calibrationTable->ranges.empty())
    return *config.calibrationTable;
  if (!config.calibrator) return {};
  CalibrationTable table = calibrate(graph, tensors, *config.calibrator,
                                     {.threads = config.threads, .progress = config.progress});
  if (config.calibrationTable) *config.calibrationTable = table;
  return table;
}

}  // namespace

void quantizeGraph(Graph& graph, const BuilderConfig& config) {
  FloatLayers floatLayers;
  std::vector<ValueId> tensors = tensorsToQuantize(graph, floatLayers);
  if (tensors.empty()) return;
  CalibrationTable table = tableOf(graph, tensors, config);
  std::vector<std::string> names = distinctNames(graph);
  std::string_view missing;
  std::size_t found = 0;
  insertQuantization(graph, floatLayers, [&](ValueId value) -> std::optional<CalibratedRange> {
    if (const auto& given = graph.value(value).range) return ++found, given;
    const std::string& name = names[static_cast<std::size_t>(value)];
    auto range = table.ranges.find(name);
    if (range != table.ranges.end()) return ++found, range->second;
    missing = name;
    return {};
  });
  if (!found)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[builder] int8 needs the ranges of tensors: give a calibrator, or a "
                            "table that holds '{}' and others",
                            missing));
}

}  // namespace layerwise
