#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/amx_geometry.h"
#include "backends/cpu/companded_weights.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

// Where in its block the first output channel's weights lie, in bytes, in the order in which they
// come; another's lie 4 bytes further each.
std::vector<int64_t> placesOf(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  const int64_t bytes = elementBytes(c.element), kernel = s.kh * s.kw;
  const int64_t perWord = elementsPerWord(c.element), stepRows = runs.stepBytes / 4;
  std::vector<int64_t> places(static_cast<std::size_t>(s.ci * kernel));
  for (int64_t tap = 0; tap < kernel; ++tap) {
    const int64_t ky = tap / s.kw, kx = tap % s.kw;
    const bool planes = c.method == AmxMethod::kPlanes;
    const int64_t run = planes ? ky / runs.rows : tap / runs.taps;
    for (int64_t i = 0; i < s.ci; ++i) {
      const int64_t element = planes ? kx * (runs.columnBytes / bytes) + ky % runs.rows * s.ci + i
                                     : tap % runs.taps * s.ci + i;
      const int64_t word = element / perWord;
      const int64_t row = runs.step(run, word / stepRows) * stepRows + word % stepRows;
      places[static_cast<std::size_t>(i * kernel + tap)] =
          row * kBlockChannels * 4 + element % perWord * bytes;
    }
  }
  return places;
}

int64_t blockBytes(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  return weightBytes(c, runs.count * runs.stepsPerRun * runs.stepBytes * kBlockChannels);
}

// Where the code of a bfloat16 lies that is `place` bytes into its block. Two rows of a tile are
// expanded from 64 codes: bytes 0 to 7 of each quarter are interleaved into one of them, bytes 8 to
// 15 into the other.
int64_t codePlace(int64_t place) {
  const int64_t row = place / kRowBytes, word = place % kRowBytes / 2;
  return row / 2 * kRowBytes + word / 8 * 16 + row % 2 * 8 + word % 8;
}

// Clears what will be packed and returns where the blocks of weights begin.
std::byte* begin(const ConvShape& s, const AmxConfig& c, std::byte* packed) {
  std::memset(packed, 0, amxPackedBytes(s, c));
  return packed + amxConstantsAt(c) +
         static_cast<std::size_t>(divideUp(s.co, kBlockChannels)) * sizeof(AmxConstants);
}

}  // namespace

size_t amxPackedBytes(const ConvShape& s, const AmxConfig& c) {
  const auto blocks = static_cast<size_t>(divideUp(s.co, kBlockChannels));
  return amxConstantsAt(c) +
         blocks * (sizeof(AmxConstants) + static_cast<size_t>(blockBytes(s, c)));
}

namespace {

void packCompanded(const ConvShape& s, const AmxConfig& c, const float* weights, const float* bias,
                   std::byte* packed) {
  std::byte* blocks = begin(s, c, packed);
  AmxMagnitudes magnitudes;
  for (size_t i = 0; i < Companding::kMagnitudes; ++i) {
    magnitudes.low[i] = static_cast<uint8_t>(Companding::magnitudes()[i] & 0xff);
    magnitudes.high[i] = static_cast<uint8_t>(Companding::magnitudes()[i] >> 8);
  }
  std::memcpy(packed, &magnitudes, sizeof magnitudes);
  auto* constants = reinterpret_cast<AmxConstants*>(packed + amxConstantsAt(c));
  std::vector<int64_t> places = placesOf(s, c);
  for (int64_t& place : places) place = codePlace(place);
  const int64_t bytes = blockBytes(s, c);
  const auto count = places.size();
  std::vector<uint8_t> codes(count);
  for (int64_t o = 0; o < s.co; ++o, weights += count) {
    AmxConstants& block = constants[o / kBlockChannels];
    block.scale[o % kBlockChannels] = Companding::encode({weights, count}, codes.data());
    block.bias[o % kBlockChannels] = bias ? bias[o] : 0.0f;
    std::byte* to = blocks + o / kBlockChannels * bytes + codePlace(o % kBlockChannels * 4);
    for (size_t i = 0; i < count; ++i) to[places[i]] = static_cast<std::byte>(codes[i]);
  }
}

}  // namespace

void packAmxFloat(const ConvShape& s, const AmxConfig& c, const float* weights, const float* bias,
                  std::byte* packed) {
  if (c.companded) return packCompanded(s, c, weights, bias, packed);
  std::byte* blocks = begin(s, c, packed);
  const std::vector<int64_t> places = placesOf(s, c);
  const int64_t bytes = blockBytes(s, c);
  for (int64_t o = 0; o < s.co; ++o) {
    std::byte* to = blocks + o / kBlockChannels * bytes + o % kBlockChannels * 4;
    for (int64_t place : places) {
      const std::uint16_t value = bfloat16FromFloat(*weights++);
      std::memcpy(to + place, &value, sizeof value);
    }
  }
  auto* constants = reinterpret_cast<AmxConstants*>(packed);
  for (int64_t o = 0; bias && o < s.co; ++o)
    std::memcpy(&constants[o / kBlockChannels].start[o % kBlockChannels], bias + o, sizeof *bias);
}

void packAmxBytes(const ConvShape& s, const AmxConfig& c, const int8_t* weights,
                  const float* scales, const float* bias, int inputZero, std::byte* packed) {
  std::byte* blocks = begin(s, c, packed);
  const std::vector<int64_t> places = placesOf(s, c);
  const int64_t bytes = blockBytes(s, c);
  auto* constants = reinterpret_cast<AmxConstants*>(packed);
  for (int64_t o = 0; o < s.co; ++o) {
    std::byte* to = blocks + o / kBlockChannels * bytes + o % kBlockChannels * 4;
    int sum = 0;
    for (int64_t place : places) {
      sum += *weights;
      to[place] = static_cast<std::byte>(*weights++);
    }
    AmxConstants& block = constants[o / kBlockChannels];
    // The sum of (x - zero point) * weight, whatever is outside the image.
    block.start[o % kBlockChannels] = -inputZero * sum;
    block.scale[o % kBlockChannels] = scales[o];
    block.bias[o % kBlockChannels] = bias ? bias[o] : 0.0f;
  }
}

}  // namespace layerwise::cpu
