#include "layerwise/calibrator.h"

#include <fmt/format.h>

#include <array>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::array<std::string_view, 4> kMethods = {"entropy", "minmax", "percentile", "mse"};

class SourceCalibrator final : public Calibrator {
 public:
  SourceCalibrator(CalibrationMethod method, CalibrationSource source, double percentile)
      : method_(method), source_(std::move(source)), percentile_(percentile) {}

  std::string method() const override { return std::string(toString(method_)); }
  bool nextBatch(CalibrationBatch& batch) override { return source_(batch); }
  CalibratedRange chooseRange(std::string_view, const TensorHistogram& histogram) const override {
    switch (method_) {
      case CalibrationMethod::kEntropy:
        return entropyRange(histogram);
      case CalibrationMethod::kPercentile:
        return percentileRange(histogram, percentile_);
      case CalibrationMethod::kMse:
        return mseRange(histogram);
      case CalibrationMethod::kMinMax:
        break;
    }
    return minMaxRange(histogram);
  }

 private:
  CalibrationMethod method_;
  CalibrationSource source_;
  double percentile_;
};

}  // namespace

std::string_view toString(CalibrationMethod method) {
  return kMethods[static_cast<std::size_t>(method)];
}

CalibrationMethod calibrationMethodFromString(std::string_view name) {
  for (std::size_t i = 0; i < kMethods.size(); ++i)
    if (kMethods[i] == name) return static_cast<CalibrationMethod>(i);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[calibrator] '{}' is none of: {}", name, fmt::join(kMethods, ", ")));
}

std::unique_ptr<Calibrator> makeCalibrator(CalibrationMethod method, CalibrationSource source,
                                           double percentile) {
  if (!(percentile > 0 && percentile <= 100))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[calibrator] percentile {} is outside 0...100", percentile));
  return std::make_unique<SourceCalibrator>(method, std::move(source), percentile);
}

}  // namespace layerwise
