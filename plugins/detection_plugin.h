#pragma once

#include <span>
#include <vector>

#include "plugins/detection_output.h"

namespace layerwise {

/// A detector's head and the suppression behind it as one plugin. Inputs: the head's maps, in any
/// strides, then DetectionOutput's options and class filter; outputs: DetectionOutput's. Fields:
/// the head's, and "capacity". A task is an image.
class DetectionPlugin : public Plugin {
 public:
  Fields fields() const final;
  int outputCount() const final { return 2; }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const final;
  TensorFormat inputFormat(int index) const final;
  std::int64_t tasks(std::span<const TensorInfo> inputs) const final;
  void run(std::int64_t image, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte> scratch) const final;

 protected:
  DetectionPlugin(std::size_t maps, DetectionOutput output) : maps_(maps), output_(output) {}

 private:
  virtual void writeHead(Fields& fields) const = 0;
  /// Throws Error where the inputs are not the head's maps.
  virtual void checkMaps(std::span<const TensorInfo> maps) const = 0;
  /// Appends the decoded rows (nonMaxSuppression's form) of the cells that may reach the
  /// confidence; the suppression compares again, exactly.
  virtual void appendCandidates(std::span<const TensorView> maps, std::int64_t image,
                                float confidence, std::vector<float>& rows) const = 0;

  std::size_t maps_;
  DetectionOutput output_;
};

}  // namespace layerwise
