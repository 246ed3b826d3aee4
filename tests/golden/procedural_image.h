#pragma once

#include <zlib.h>

#include <cstdint>
#include <vector>

#include "layerwise/image.h"
#include "tests/golden/procedural_numbers.h"

namespace layerwise {

/// The bytes that make_vision_golden.py makes too: the high byte of a linear congruential
/// generator.
inline std::vector<std::uint8_t> proceduralBytes(std::size_t count, std::uint32_t seed = 1) {
  std::vector<std::uint8_t> bytes(count);
  ProceduralBytes source(seed);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(source.next());
  return bytes;
}

/// A picture with gaps between its rows, so that a stride taken for a width shows.
struct ProceduralImage {
  ProceduralImage(int width, int height, PixelFormat format) {
    const int rowBytes = width * channelsOf(format);
    const auto bytes = proceduralBytes(static_cast<std::size_t>(rowBytes) * height);
    const int stride = rowBytes + 5;
    pixels.assign(static_cast<std::size_t>(stride) * height, 0xee);
    for (int y = 0; y < height; ++y) {
      for (int i = 0; i < rowBytes; ++i) pixels[y * stride + i] = bytes[y * rowBytes + i];
    }
    view = {pixels.data(), width, height, stride, format};
  }
  std::vector<std::uint8_t> pixels;
  ImageView view;
};

template <typename T>
std::uint32_t crcOf(const std::vector<T>& values) {
  return static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(values.data()),
                                          static_cast<uInt>(values.size() * sizeof(T))));
}

}  // namespace layerwise
