#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

/// The order of an image's interleaved 8-bit channels.
enum class PixelFormat { kRgb, kBgr, kGray };

/// Bytes a pixel.
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

  const std::uint8_t* row(int y) const { return pixels + y * stride; }
};

/// A borrowed picture to write into.
struct MutableImageView {
  std::uint8_t* pixels = nullptr;
  int width = 0;
  int height = 0;
  std::int64_t stride = 0;
  PixelFormat format = PixelFormat::kRgb;

  std::uint8_t* row(int y) const { return pixels + y * stride; }
  operator ImageView() const { return {pixels, width, height, stride, format}; }
};

/// An owned RGB picture without gaps between its rows.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  ///< height x width x 3

  ImageView view() const {
    return {pixels.data(), width, height, static_cast<std::int64_t>(width) * 3, PixelFormat::kRgb};
  }
  MutableImageView view() {
    return {pixels.data(), width, height, static_cast<std::int64_t>(width) * 3, PixelFormat::kRgb};
  }
};

/// More pixels than this are refused before anything is allocated for them.
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 28;

/// Reads a JPEG or PNG file (known by its first bytes) as RGB, with the pixels of PIL and OpenCV.
/// Grey, palette, alpha (dropped), 16-bit (high byte) and interlaced PNGs and grey, CMYK and YCCK
/// JPEGs are converted; EXIF orientation is applied. Throws Error naming the file: kIo when it
/// cannot be read, kBadFile when it is truncated, damaged or too large, kUnsupported when it is of
/// another kind.
LAYERWISE_API Image readImage(const std::string& path);

/// readImage() on the bytes of a file; `name` is what errors call it.
LAYERWISE_API Image decodeImage(std::span<const std::uint8_t> bytes, const std::string& name);

/// Writes a JPEG (.jpg, .jpeg; quality 95) or PNG (.png) by the name's extension, through a
/// temporary name. Throws Error naming the file.
LAYERWISE_API void writeImage(const std::string& path, const ImageView& image);

}  // namespace layerwise
