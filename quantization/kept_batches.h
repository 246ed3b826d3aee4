#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"

namespace layerwise {

/// A calibrator's first batches, kept with their data, since it gives each only once.
class KeptBatches {
 public:
  struct Limits {
    std::size_t count = std::numeric_limits<std::size_t>::max();
    std::size_t bytes = std::numeric_limits<std::size_t>::max();  ///< one batch is kept in any case
  };
  KeptBatches(const Graph& graph, Limits limits) : graph_(graph), limits_(limits) {}

  bool isFull() const { return batches_.size() >= limits_.count || bytes_ >= limits_.bytes; }
  /// Copies the batch. Throws Error for an input that the graph does not have.
  void keep(const CalibrationBatch& batch);
  const std::vector<CalibrationBatch>& all() const { return batches_; }

 private:
  const Graph& graph_;
  Limits limits_;
  std::size_t bytes_ = 0;
  std::vector<CalibrationBatch> batches_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
};

/// Hands a calibrator's batches on and remembers the first ones: after rewind(), they come again,
/// and then those that had not been asked for.
class ReplayingCalibrator final : public Calibrator {
 public:
  ReplayingCalibrator(Calibrator& inner, KeptBatches& kept) : inner_(inner), kept_(kept) {}

  std::string method() const override { return inner_.method(); }
  bool usesHistograms() const override { return inner_.usesHistograms(); }
  bool nextBatch(CalibrationBatch& batch) override;
  CalibratedRange chooseRange(std::string_view tensor,
                              const TensorHistogram& histogram) const override {
    return inner_.chooseRange(tensor, histogram);
  }
  /// Whether the next batch can be kept, so that no later pass misses it.
  bool canKeepNext() const { return next_ < kept_.all().size() || !kept_.isFull(); }
  void rewind() { next_ = 0; }

 private:
  Calibrator& inner_;
  KeptBatches& kept_;
  std::size_t next_ = 0;
};

}  // namespace layerwise
