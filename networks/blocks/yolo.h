#pragma once

#include <string>

#include "networks/blocks/layer_builder.h"

namespace layerwise::blocks {

/// The modules of YOLOv5 and YOLOv8 (ultralytics/yolov5, models/common.py). Weights are normalised
/// or fused: then `key`.conv has a bias and `key`.bn is missing.
class YoloBuilder : public LayerBuilder {
 public:
  YoloBuilder(Network& network, const WeightMap& weights)
      : LayerBuilder(network, weights, kEpsilon) {}

  /// What initialize_weights() gives every batch norm.
  static constexpr double kEpsilon = 1e-3;

  /// Convolution, batch norm, SiLU.
  Feature conv(const Feature& x, const std::string& key, const Window& window = {}) const;
  /// Two convolutions (1x1 or 3x3, then 3x3), and the input added where `shortcut` and the number
  /// of channels allow it.
  Feature bottleneck(const Feature& x, const std::string& key, std::int64_t kernel,
                     bool shortcut) const;
  /// YOLOv5's: cv3 over the bottlenecks of cv1 beside cv2.
  Feature c3(const Feature& x, const std::string& key, bool shortcut) const;
  /// YOLOv8's: cv2 over the two halves of cv1 and every bottleneck of the second.
  Feature c2f(const Feature& x, const std::string& key, bool shortcut) const;
  /// Three 5x5 max pools in a row.
  Feature sppf(const Feature& x, const std::string& key) const;
  Feature upsample(const Feature& x, const std::string& name) const;

  /// The bottlenecks `key`.m.0, `key`.m.1, ...
  std::int64_t repeats(const std::string& key) const;
};

}  // namespace layerwise::blocks
