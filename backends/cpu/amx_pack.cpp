#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/cpu/amx_geometry.h"
#include "backends/cpu/companded_weights.h"
#include "backends/cpu/pack_kernels.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

// Where in its block a weight of the first output channel lies, in bytes; another's lie 4 bytes
// further each.
int64_t placeOf(const ConvShape& s, const AmxConfig& c, const AmxRuns& runs, int64_t tap,
                int64_t input) {
  const int64_t bytes = elementBytes(c.element), perWord = elementsPerWord(c.element);
  const int64_t ky = tap / s.kw, kx = tap % s.kw, stepRows = runs.stepBytes / 4;
  const bool planes = c.method == AmxMethod::kPlanes;
  const int64_t run = planes ? ky / runs.rows : tap / runs.taps;
  const int64_t element = planes ? kx * (runs.columnBytes / bytes) + ky % runs.rows * s.ci + input
                                 : tap % runs.taps * s.ci + input;
  const int64_t word = element / perWord;
  const int64_t row = runs.step(run, word / stepRows) * stepRows + word % stepRows;
  return row * kRowBytes + element % perWord * bytes;
}

// The places of all of them, in the order in which they come.
std::vector<int64_t> placesOf(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < s.ci; ++i)
    for (int64_t tap = 0; tap < s.kh * s.kw; ++tap) places.push_back(placeOf(s, c, runs, tap, i));
  return places;
}

// Whether PackKernels can pack: each word holds neighbouring inputs of one tap.
bool hasWholeWords(const ConvShape& s, const AmxConfig& c) {
  return c.method != AmxMethod::kPlanes && s.ci % elementsPerWord(c.element) == 0 &&
         s.kh * s.kw <= kMostTaps;
}

// PackPlan::order then: placeOf() of each word's first weight, in rows.
std::vector<int64_t> rowOrder(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  const int64_t words = s.ci / elementsPerWord(c.element), stepRows = runs.stepBytes / 4;
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(s.kh * s.kw * words));
  for (int64_t tap = 0; tap < s.kh * s.kw; ++tap) {
    const int64_t first = tap % runs.taps * words;
    int64_t step = first / stepRows, row = first % stepRows;
    for (int64_t word = 0; word < words; ++word) {
      order.push_back(runs.step(tap / runs.taps, step) * stepRows + row);
      if (++row == stepRows) row = 0, ++step;
    }
  }
  return order;
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

AmxConstants* constantsOf(const AmxConfig& c, std::byte* packed) {
  return reinterpret_cast<AmxConstants*>(packed + amxConstantsAt(c));
}

// Clears what is before the weights and packs those block by block: packRows(plan, o, to) all
// channels of one, of which o is the first, in words, packOne(o, places, to) the one channel o.
template <class PackRows, class PackOne>
void packBlocks(const ConvShape& s, const AmxConfig& c, std::byte* packed, const PackRows& packRows,
                const PackOne& packOne) {
  const int64_t blocks = divideUp(s.co, kBlockChannels);
  std::byte* to = reinterpret_cast<std::byte*>(constantsOf(c, packed) + blocks);
  std::memset(packed, 0, static_cast<size_t>(to - packed));
  const bool whole = hasWholeWords(s, c);
  const std::vector<int64_t> places = whole ? rowOrder(s, c) : placesOf(s, c);
  const int64_t bytes = blockBytes(s, c);
  const bool hasGaps =
      !whole || static_cast<int64_t>(places.size()) * weightBytes(c, kRowBytes) < bytes;
  for (int64_t first = 0; first < s.co; first += kBlockChannels, to += bytes) {
    const int64_t channels = std::min(kBlockChannels, s.co - first);
    if (hasGaps) std::memset(to, 0, static_cast<size_t>(bytes));
    if (whole) {
      packRows(PackPlan{channels, kBlockChannels, s.ci, s.kh * s.kw, places.data()}, first, to);
    } else {
      for (int64_t o = first; o < first + channels; ++o) packOne(o, places, to);
    }
  }
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
  const int64_t count = s.ci * s.kh * s.kw;
  AmxConstants* constants = constantsOf(c, packed);
  const PackKernels& kernels = packKernels(selectedIsa());
  std::vector<uint8_t> codes(static_cast<size_t>(count));
  packBlocks(
      s, c, packed,
      [&](const PackPlan& plan, int64_t first, std::byte* to) {
        kernels.companded(plan, weights + first * count, constants[first / kBlockChannels].scale,
                          reinterpret_cast<uint8_t*>(to));
      },
      [&](int64_t o, const std::vector<int64_t>& places, std::byte* to) {
        constants[o / kBlockChannels].scale[o % kBlockChannels] =
            Companding::encode({weights + o * count, codes.size()}, codes.data());
        to += codePlace(o % kBlockChannels * 4);
        for (size_t i = 0; i < codes.size(); ++i)
          to[codePlace(places[i])] = static_cast<std::byte>(codes[i]);
      });
  AmxMagnitudes magnitudes;
  for (size_t i = 0; i < Companding::kMagnitudes; ++i) {
    magnitudes.low[i] = static_cast<uint8_t>(Companding::magnitudes()[i] & 0xff);
    magnitudes.high[i] = static_cast<uint8_t>(Companding::magnitudes()[i] >> 8);
  }
  std::memcpy(packed, &magnitudes, sizeof magnitudes);
  for (int64_t o = 0; bias && o < s.co; ++o)
    constants[o / kBlockChannels].bias[o % kBlockChannels] = bias[o];
}

}  // namespace

void packAmxFloat(const ConvShape& s, const AmxConfig& c, const float* weights, const float* bias,
                  std::byte* packed) {
  if (c.companded) return packCompanded(s, c, weights, bias, packed);
  const int64_t count = s.ci * s.kh * s.kw;
  const PackKernels& kernels = packKernels(selectedIsa());
  packBlocks(
      s, c, packed,
      [&](const PackPlan& plan, int64_t first, std::byte* to) {
        kernels.pairs(plan, weights + first * count, reinterpret_cast<float*>(to));
      },
      [&](int64_t o, const std::vector<int64_t>& places, std::byte* to) {
        const float* from = weights + o * count;
        to += o % kBlockChannels * 4;
        for (int64_t place : places) {
          const std::uint16_t value = bfloat16FromFloat(*from++);
          std::memcpy(to + place, &value, sizeof value);
        }
      });
  AmxConstants* constants = constantsOf(c, packed);
  for (int64_t o = 0; bias && o < s.co; ++o)
    std::memcpy(&constants[o / kBlockChannels].start[o % kBlockChannels], bias + o, sizeof *bias);
}

void packAmxBytes(const ConvShape& s, const AmxConfig& c, const int8_t* weights,
                  const float* scales, const float* bias, int inputZero, std::byte* packed) {
  const int64_t count = s.ci * s.kh * s.kw;
  const PackKernels& kernels = packKernels(selectedIsa());
  // While a channel's weights are in the caches.
  const auto addConstants = [&](int64_t o) {
    AmxConstants& block = constantsOf(c, packed)[o / kBlockChannels];
    block.start[o % kBlockChannels] = startOfSum(kernels, weights + o * count, count, inputZero);
    block.scale[o % kBlockChannels] = scales[o];
    block.bias[o % kBlockChannels] = bias ? bias[o] : 0.0f;
  };
  packBlocks(
      s, c, packed,
      [&](PackPlan plan, int64_t first, std::byte* to) {
        const int8_t* from = weights + first * count;
        for (int64_t o = first; o < first + plan.channels; ++o) addConstants(o);
        if (plan.taps > 1) return kernels.byteRows(plan, from, reinterpret_cast<float*>(to));
        plan.inputs /= 4;
        kernels.rows(plan, reinterpret_cast<const float*>(from), reinterpret_cast<float*>(to));
      },
      [&](int64_t o, const std::vector<int64_t>& places, std::byte* to) {
        const int8_t* from = weights + o * count;
        addConstants(o);
        to += o % kBlockChannels * 4;
        for (int64_t place : places) to[place] = static_cast<std::byte>(*from++);
      });
}

}  // namespace layerwise::cpu
