#include <algorithm>
#include <cstring>

#include "backends/cpu/amx_geometry.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

// Calls visit(block, row, lane, element, channel, source) for every weight: its block of output
// channels, 4-byte row of the block, lane in it and element in the lane's four bytes.
template <class Visit>
void forEachWeight(const ConvShape& s, const AmxConfig& c, const Visit& visit) {
  const AmxRuns runs = amxRuns(s, c);
  const int64_t perWord = elementsPerWord(c.element), kernel = s.kh * s.kw;
  const int64_t stepRows = runs.stepBytes / 4;
  for (int64_t o = 0; o < s.co; ++o) {
    for (int64_t tap = 0; tap < kernel; ++tap) {
      const int64_t ky = tap / s.kw, kx = tap % s.kw;
      const bool planes = c.method == AmxMethod::kPlanes;
      const int64_t run = planes ? ky / runs.rows : tap / runs.taps;
      for (int64_t i = 0; i < s.ci; ++i) {
        const int64_t element =
            planes ? (ky % runs.rows * s.ci + i) * runs.tapBytes / elementBytes(c.element) + kx
                   : tap % runs.taps * s.ci + i;
        const int64_t word = element / perWord, step = runs.step(run, word / stepRows);
        visit(o / kBlockChannels, step * stepRows + word % stepRows, o % kBlockChannels,
              element % perWord, o, (o * s.ci + i) * kernel + tap);
      }
    }
  }
}

int64_t blockBytes(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  return runs.count * runs.stepsPerRun * runs.stepBytes * kBlockChannels;
}

// Clears what will be packed and returns where the blocks of weights begin.
std::byte* begin(const ConvShape& s, const AmxConfig& c, std::byte* packed) {
  std::memset(packed, 0, amxPackedBytes(s, c));
  return packed + static_cast<std::size_t>(divideUp(s.co, kBlockChannels)) * sizeof(AmxConstants);
}

}  // namespace

size_t amxPackedBytes(const ConvShape& s, const AmxConfig& c) {
  const auto blocks = static_cast<size_t>(divideUp(s.co, kBlockChannels));
  return blocks * (sizeof(AmxConstants) + static_cast<size_t>(blockBytes(s, c)));
}

void packAmxFloat(const ConvShape& s, const AmxConfig& c, const float* weights, const float* bias,
                  std::byte* packed) {
  std::byte* blocks = begin(s, c, packed);
  const int64_t bytes = blockBytes(s, c);
  forEachWeight(
      s, c,
      [&](int64_t block, int64_t row, int64_t lane, int64_t element, int64_t, int64_t source) {
        const std::uint16_t value = bfloat16FromFloat(weights[source]);
        std::memcpy(blocks + block * bytes + (row * kBlockChannels + lane) * 4 + 2 * element,
                    &value, sizeof value);
      });
  auto* constants = reinterpret_cast<AmxConstants*>(packed);
  for (int64_t o = 0; bias && o < s.co; ++o)
    std::memcpy(&constants[o / kBlockChannels].start[o % kBlockChannels], bias + o, sizeof *bias);
}

void packAmxBytes(const ConvShape& s, const AmxConfig& c, const int8_t* weights,
                  const float* scales, const float* bias, int inputZero, std::byte* packed) {
  std::byte* blocks = begin(s, c, packed);
  const int64_t bytes = blockBytes(s, c);
  auto* constants = reinterpret_cast<AmxConstants*>(packed);
  forEachWeight(
      s, c,
      [&](int64_t block, int64_t row, int64_t lane, int64_t element, int64_t, int64_t source) {
        blocks[block * bytes + (row * kBlockChannels + lane) * 4 + element] =
            static_cast<std::byte>(weights[source]);
        // The sum of (x - zero point) * weight, whatever is outside the image.
        constants[block].start[lane] -= inputZero * weights[source];
      });
  for (int64_t o = 0; o < s.co; ++o) {
    AmxConstants& block = constants[o / kBlockChannels];
    block.scale[o % kBlockChannels] = scales[o];
    block.bias[o % kBlockChannels] = bias ? bias[o] : 0.0f;
  }
}

}  // namespace layerwise::cpu
