#pragma once

#include <span>
#include <string>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "passes/quantization.h"
#include "quantization/calibrate.h"
#include "quantization/round_weights.h"

namespace layerwise {

/// Measures what 8 bits do to the outputs, layer by layer, and finds the layers to keep in floating
/// point so that the error stays within `maxDrop` percent.
FloatLayers chooseFloatLayers(const Graph& graph, const RangeOf& rangeOf,
                              const RoundedWeights& weights,
                              std::span<const CalibrationBatch> batches, double maxDrop,
                              const CalibrationRun& run, QuantizationReport& report);

/// The report as a table to read.
std::string toText(const QuantizationReport& report);

}  // namespace layerwise
