#pragma once

#include <map>
#include <string>
#include <vector>

#include "layerwise/engine.h"
#include "layerwise/image.h"
#include "layerwise/preprocess.h"

namespace layerwise::apps {

/// Turns pictures into the input of a network, the way that its metadata say (docs/networks.md):
/// preprocess.kind, .resize, .mean, .std, .border.
class ImageInput {
 public:
  /// Throws Error for a kind that is no whole-picture one.
  explicit ImageInput(const Engine& engine) : ImageInput(engine.inputs(), engine.metadata()) {}
  /// The same of a network that is not built yet.
  ImageInput(const std::vector<IoInfo>& inputs, const std::map<std::string, std::string>& metadata);

  const std::string& name() const { return name_; }
  int channels() const { return channels_; }
  int height() const { return height_; }
  int width() const { return width_; }
  std::int64_t values() const { return std::int64_t{1} * channels_ * height_ * width_; }
  int maxBatch() const { return maxBatch_; }

  /// Writes planes[channels][height][width].
  void write(const ImageView& image, float* planes) const;

 private:
  enum class Kind { kResizeCrop, kCenterSquare, kStretch, kGray };

  std::string name_;
  Kind kind_ = Kind::kResizeCrop;
  int channels_ = 3, height_ = 0, width_ = 0, maxBatch_ = 1;
  int resize_ = 0;
  int border_ = 0;
  PixelNormalization normalization_;
};

}  // namespace layerwise::apps
