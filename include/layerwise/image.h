#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

/// The order of an image's interleaved 8-bit channels.
enum class PixelFormat { kRgb, kBgr, kGray };

constexpr int channelsOf(PixelFormat format) {
  return format == PixelFormat::kGray ? 1 : 3;
}

/// A borrowed, interleaved 8-bit picture. `stride` is in bytes from one row to the next.
struct ImageView {
  const std::uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  std::int64_t stride = 0;
  PixelFormat format = PixelFormat::kRgb;
};

/// An owned RGB picture without gaps between its rows.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  ///< height x width x 3

  ImageView view() const {
    return {pixels.data(), width, height, static_cast<std::int64_t>(width) * 3, PixelFormat::kRgb};
  }
};

/// Reads a JPEG or PNG file (known by its first bytes; grey, palette, alpha and 16-bit PNGs are
/// converted, EXIF orientation is applied) as RGB. Throws Error naming the file.
LAYERWISE_API Image readImage(const std::string& path);

/// Writes a JPEG (quality 95) or PNG by the name's extension, through a temporary name. Throws
/// Error.
LAYERWISE_API void writeImage(const std::string& path, const ImageView& image);

}  // namespace layerwise
