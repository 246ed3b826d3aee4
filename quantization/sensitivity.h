#pragma once

#include <memory>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "passes/quantization.h"
#include "quantization/calibrate.h"

namespace layerwise {

/// Batches that were kept, with their data.
class KeptBatches {
 public:
  explicit KeptBatches(std::size_t most) : most_(most) {}
  bool isFull() const { return batches_.size() >= most_; }
  /// Copies the batch; inputs are of the graph's types.
  void keep(const CalibrationBatch& batch, const Graph& graph);
  const std::vector<CalibrationBatch>& all() const { return batches_; }

 private:
  std::size_t most_;
  std::vector<CalibrationBatch> batches_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
};

/// Hands a calibrator's batches on and keeps the first ones.
class KeepingCalibrator final : public Calibrator {
 public:
  KeepingCalibrator(Calibrator& inner, KeptBatches& kept, const Graph& graph)
      : inner_(inner), kept_(kept), graph_(graph) {}
  std::string method() const override { return inner_.method(); }
  bool nextBatch(CalibrationBatch& batch) override;
  CalibratedRange chooseRange(std::string_view tensor,
                              const TensorHistogram& histogram) const override {
    return inner_.chooseRange(tensor, histogram);
  }

 private:
  Calibrator& inner_;
  KeptBatches& kept_;
  const Graph& graph_;
};

/// Measures what 8 bits do to the outputs, layer by layer, and finds the layers to keep in floating
/// point so that the error stays within `maxDrop` percent.
FloatLayers chooseFloatLayers(const Graph& graph, const RangeOf& rangeOf,
                              const KeptBatches& batches, double maxDrop, const CalibrationRun& run,
                              QuantizationReport& report);

}  // namespace layerwise
