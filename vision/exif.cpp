#include "vision/exif.h"

#include <cstring>
#include <utility>

namespace layerwise {
namespace {

/// Reads numbers of the block's byte order; anything outside the block is 0, which no caller takes
/// for a valid entry.
class TiffReader {
 public:
  TiffReader(std::span<const std::uint8_t> bytes, bool bigEndian)
      : bytes_(bytes), bigEndian_(bigEndian) {}

  std::uint32_t u16(std::size_t at) const { return number(at, 2); }
  std::uint32_t u32(std::size_t at) const { return number(at, 4); }

 private:
  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | bytes_[at + (bigEndian_ ? i : size - 1 - i)];
    }
    return value;
  }

  std::span<const std::uint8_t> bytes_;
  bool bigEndian_;
};

}  // namespace

int exifOrientation(std::span<const std::uint8_t> tiff) {
  constexpr std::uint32_t kOrientationTag = 0x0112;
  constexpr std::uint32_t kShort = 3;
  if (tiff.size() < 8) return 1;
  const bool bigEndian = tiff[0] == 'M' && tiff[1] == 'M';
  if (!bigEndian && !(tiff[0] == 'I' && tiff[1] == 'I')) return 1;
  const TiffReader reader(tiff, bigEndian);
  if (reader.u16(2) != 42) return 1;
  const std::size_t directory = reader.u32(4);
  const std::uint32_t entries = reader.u16(directory);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{i} * 12;
    if (reader.u16(entry) != kOrientationTag) continue;
    const std::uint32_t value = reader.u16(entry + 8);
    const bool valid = reader.u16(entry + 2) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image applyOrientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // An orientation is a transposition (5...8) after a mirroring of either axis of the stored image.
  const bool transpose = orientation >= 5;
  const bool mirrorX = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrorY = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright;
  upright.width = transpose ? image.height : image.width;
  upright.height = transpose ? image.width : image.height;
  upright.pixels.resize(image.pixels.size());
  std::uint8_t* to = upright.pixels.data();
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x, to += 3) {
      int storedX = transpose ? y : x;
      int storedY = transpose ? x : y;
      if (mirrorX) storedX = image.width - 1 - storedX;
      if (mirrorY) storedY = image.height - 1 - storedY;
      std::memcpy(to, &image.pixels[(std::size_t(storedY) * image.width + storedX) * 3], 3);
    }
  }
  return upright;
}

}  // namespace layerwise
