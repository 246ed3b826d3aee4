#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerwise/dims.h"
#include "layerwise/export.h"

namespace layerwise {

/// What was seen of one tensor: its extremes, and how often which values came. Bins lie evenly on
/// both sides of 0 up to a power of two, which doubles as larger values come (neighbouring bins are
/// joined then), so that memory is bounded and the order of the batches does not matter.
class LAYERWISE_API TensorHistogram {
 public:
  static constexpr std::size_t kBins = 8192;  ///< at least half of one side's are within the range

  TensorHistogram();
  /// Counts the values; what is not finite is left out.
  void add(std::span<const float> values);

  std::int64_t count() const { return count_; }
  double min() const { return min_; }  ///< 0 where nothing was counted
  double max() const { return max_; }
  /// The bins, from -limit() to limit().
  const std::vector<std::int64_t>& bins() const { return bins_; }
  double limit() const { return limit_; }
  double binWidth() const { return 2 * limit_ / static_cast<double>(kBins); }

 private:
  void grow(double to);
  std::vector<std::int64_t> bins_;
  double limit_ = 0;
  double min_ = 0, max_ = 0;
  std::int64_t count_ = 0;
};

/// The range of real numbers that 8 bits are spread over; what lies outside saturates.
using CalibratedRange = std::pair<double, double>;

/// The extremes.
LAYERWISE_API CalibratedRange minMaxRange(const TensorHistogram& histogram);
/// The threshold t below which `percentile` percent of the absolute values lie, and the extremes
/// cut to -t...t.
LAYERWISE_API CalibratedRange percentileRange(const TensorHistogram& histogram, double percentile);
/// The extremes cut to -t...t, where t is the threshold whose 8-bit picture of the values has the
/// least Kullback-Leibler divergence from them (Migacz, "8-bit Inference with TensorRT", GTC 2017).
LAYERWISE_API CalibratedRange entropyRange(const TensorHistogram& histogram);
/// The range whose 8-bit picture of the values has the least mean squared error: what it cuts off
/// against the quanta that it makes finer.
LAYERWISE_API CalibratedRange mseRange(const TensorHistogram& histogram);

/// One batch of a network's inputs by name: row-major, of the inputs' types. Borrowed until the
/// next batch is asked for.
struct CalibrationBatch {
  struct Input {
    const void* data = nullptr;
    Dims dims;
  };
  std::map<std::string, Input> inputs;
};

/// Gives the next batch, false where there is none.
using CalibrationSource = std::function<bool(CalibrationBatch&)>;

/// Where the builder learns the ranges of tensors from. Derive from it for a method of your own.
class LAYERWISE_API Calibrator {
 public:
  virtual ~Calibrator() = default;
  /// What the table of ranges says of how they were made: one word.
  virtual std::string method() const = 0;
  /// False where there is no further batch. The shapes must be within the profile.
  virtual bool nextBatch(CalibrationBatch& batch) = 0;
  /// Whether chooseRange() goes by the histogram. One that knows the ranges beforehand says no:
  /// channels are not equalised then, for the ranges would be those of other numbers.
  virtual bool usesHistograms() const { return true; }
  /// Called once a tensor, after the last batch. Where histograms are used, channels may have been
  /// equalised: the histogram is that of the tensor as the engine holds it.
  virtual CalibratedRange chooseRange(std::string_view tensor,
                                      const TensorHistogram& histogram) const = 0;
};

enum class CalibrationMethod { kEntropy, kMinMax, kPercentile, kMse };

/// "entropy", "minmax", "percentile", "mse".
LAYERWISE_API std::string_view toString(CalibrationMethod method);
/// The inverse; throws Error for another word.
LAYERWISE_API CalibrationMethod calibrationMethodFromString(std::string_view name);

LAYERWISE_API std::unique_ptr<Calibrator> makeCalibrator(CalibrationMethod method,
                                                         CalibrationSource source,
                                                         double percentile = 99.99);

/// What 8 bits in one layer alone do to the outputs.
struct LayerSensitivity {
  std::string layer;
  double error = 0;  ///< of the outputs, in percent
  bool keptFloat = false;
};

/// What an accuracy budget cost. Errors are the root mean square of the outputs' differences from
/// float32 over the root mean square of the outputs, in percent, on calibration batches; of several
/// outputs the quadratic mean. For an output that a plugin makes (boxes, counts) its inputs count.
struct QuantizationReport {
  double errorOfAll = 0;                 ///< all layers in 8 bits
  double error = 0;                      ///< of the engine
  std::vector<LayerSensitivity> layers;  ///< the worst first
};

/// The ranges of a network's tensors, as a text file that can be read, edited and used again:
///
///   layerwise-calibration 1 entropy
///   conv1 0.0235 0 0 6.0
///
/// A line a tensor: name, scale, zero point, min, max. min and max are what counts: scale and zero
/// point follow from them and are there to be read. A tensor without a line is not quantised, nor
/// are the layers that read it. Blank lines and lines that begin with # are skipped; blanks in
/// names are written %20, a percent sign %25.
///
/// Where channels were equalised, a line that begins with @ says by how much, and the ranges are
/// those of the tensors after that: @NAME and a factor of at least 1 for each channel, NAME being
/// the tensor that a convolution writes.
class LAYERWISE_API CalibrationTable {
 public:
  std::string method;
  std::map<std::string, CalibratedRange> ranges;
  std::map<std::string, std::vector<double>> channelFactors;

  std::string toText() const;
  /// Throws Error kBadFile naming the line at fault; `name` stands for the file.
  static CalibrationTable fromText(std::string_view text, std::string_view name);
  /// Throws Error kIo.
  void save(const std::string& path) const;
  static CalibrationTable load(const std::string& path);
};

}  // namespace layerwise
