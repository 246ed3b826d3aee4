#include "apps/classify/image_input.h"

#include <fmt/format.h>

#include <charconv>

#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

using Metadata = std::map<std::string, std::string>;

std::string textOf(const Metadata& metadata, const std::string& key,
                   const std::string& fallback = {}) {
  auto found = metadata.find(key);
  return found == metadata.end() ? fallback : found->second;
}

[[noreturn]] void refuse(const std::string& key, const std::string& value) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("[engine metadata {}] '{}' is not what this program knows", key, value));
}

template <class T>
T number(const std::string& key, std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) refuse(key, std::string(text));
  return value;
}

/// "0.485,0.456,0.406"; one number stands for all channels.
std::array<float, 3> triple(const Metadata& metadata, const std::string& key, float fallback) {
  std::array<float, 3> values{fallback, fallback, fallback};
  const std::string text = textOf(metadata, key);
  if (text.empty()) return values;
  std::string_view rest = text;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    values[i] = number<float>(key, rest.substr(0, comma));
    if (i == 0 && comma == rest.size()) return {values[0], values[0], values[0]};
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return values;
}

}  // namespace

ImageInput::ImageInput(const std::vector<IoInfo>& inputs, const Metadata& metadata) {
  const IoInfo* images = nullptr;
  for (const IoInfo& input : inputs)
    if (!input.hasDefault && !images) images = &input;
  if (!images || images->dims.rank() != 4 || images->type != DataType::kFloat32)
    throw Error(ErrorCode::kUnsupported, "[engine] has no input for a picture (NxCxHxW)");
  name_ = images->name;
  channels_ = static_cast<int>(images->dims[1]);
  height_ = static_cast<int>(images->range.opt[2]);
  width_ = static_cast<int>(images->range.opt[3]);
  maxBatch_ = static_cast<int>(images->range.max[0]);
  const std::string kind = textOf(metadata, "preprocess.kind");
  if (kind == "resize_crop")
    kind_ = Kind::kResizeCrop;
  else if (kind == "center_square")
    kind_ = Kind::kCenterSquare;
  else if (kind == "stretch")
    kind_ = Kind::kStretch;
  else if (kind == "gray")
    kind_ = Kind::kGray;
  else
    refuse("preprocess.kind", kind);
  const int wanted = kind_ == Kind::kGray ? 1 : 3;
  if (channels_ != wanted)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("[engine] its input has {} channels, {} are needed", channels_, wanted));
  if (kind_ != Kind::kStretch && height_ != width_)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[engine] its input is {}x{}, a square is needed", height_, width_));
  resize_ = number<int>("preprocess.resize", textOf(metadata, "preprocess.resize", "0"));
  border_ = number<int>("preprocess.border", textOf(metadata, "preprocess.border", "0"));
  normalization_ = {triple(metadata, "preprocess.mean", 0.0f),
                    triple(metadata, "preprocess.std", 1.0f)};
}

void ImageInput::write(const ImageView& image, float* planes) const {
  switch (kind_) {
    case Kind::kResizeCrop:
      return classificationInput(
          image, {.resize = resize_, .crop = height_, .normalization = normalization_}, planes);
    case Kind::kCenterSquare:
      return centerSquareInput(image, height_, normalization_, planes);
    case Kind::kStretch:
      return stretchInput(image, width_, height_, planes, normalization_);
    case Kind::kGray:
      return grayInput(image, height_, border_, normalization_, planes);
  }
}

}  // namespace layerwise::apps
