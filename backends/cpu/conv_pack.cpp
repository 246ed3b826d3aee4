#include <algorithm>
#include <array>
#include <cstring>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/match_words.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/cpu/weight_memory.h"
#include "backends/cpu/winograd_bytes.h"
#include "layers/byte_pairs.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

// A block of output channels, or of channels where a vector spans groups.
struct Block {
  int64_t firstOut;
  int64_t channels;
  int64_t lanes;  // channels rounded up to vectors
};

template <class Visit>
void forEachBlock(const ConvShape& s, const ConvConfig& c, const Visit& visit) {
  const bool spansGroups = c.method == ConvMethod::kGrouped || c.method == ConvMethod::kDepthwise;
  const int64_t groups = spansGroups ? 1 : s.groups, perGroup = s.co / groups;
  const int64_t size = c.width * c.vectors;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t first = 0; first < perGroup; first += size) {
      const int64_t channels = std::min(size, perGroup - first);
      const int64_t lanes = isReducedDepthwise(c) ? size : roundUp(channels, c.width);
      visit(Block{g * perGroup + first, channels, lanes});
    }
  }
}

// A word holds neighbouring input channels of one output channel; convert(weight, o) gives an
// element.
template <class From, class Convert,
          int64_t kElements = sizeof(float) / sizeof(std::invoke_result_t<Convert, From>)>
void packRows(const ConvShape& s, const Block& b, const From* weights, float* to,
              const Convert& convert) {
  using To = decltype(convert(*weights));
  const int64_t kernel = s.kh * s.kw, groupCi = s.ci / s.groups;
  const int64_t words = divideUp(groupCi, kElements);
  To* elements = reinterpret_cast<To*>(to);
  // A transposition, some input channels at a time: what they write stays in the first cache.
  const int64_t together = kernel == 1 ? 32 : 8;
  for (int64_t first = 0; first < groupCi; first += together) {
    const int64_t last = std::min(groupCi, first + together);
    for (int64_t o = 0; o < b.channels; ++o) {
      const From* from = weights + o * groupCi * kernel;
      for (int64_t k = 0; k < kernel; ++k) {
        for (int64_t i = first; i < last; ++i) {
          const int64_t word = (k * words + i / kElements) * b.lanes + o;
          elements[word * kElements + i % kElements] = convert(from[i * kernel + k]);
        }
      }
    }
  }
}

// Where the sums of a block's channel o are: see interleaveShorts() of the kernels, and
// BFloat16Pairs.
int64_t laneOf(const ConvConfig& c, int64_t o) {
  if (!isReducedDepthwise(c)) return o;
  if (c.element == Element::kBFloat16) return o % 2 * c.width + o / 2;
  const int64_t part = o / 16;
  return o / 4 % 4 * c.width + part * 4 + o % 4;
}

// The same of bytes, where vectors may hold a channel several times: visit(o, lane).
template <class Visit>
void forEachLane(const ConvConfig& c, const Block& b, const Visit& visit) {
  if (!isReducedDepthwise(c)) {
    for (int64_t o = 0; o < b.channels; ++o) visit(o, o);
    return;
  }
  const int64_t parts = depthwiseParts(c.width, b.channels), step = b.lanes / parts;
  for (int64_t i = 0; i < parts; ++i) {
    for (int64_t o = 0; o < b.channels; ++o) visit(o, laneOf(c, i * step + o));
  }
}

// Where a tap of a channel goes, in bytes of the block; another lane's is 4 bytes further each.
struct TapPlace {
  int64_t tap, place;
};

// A word holds taps of one channel.
std::vector<TapPlace> tapPlaces(const ConvShape& s, int64_t lanes) {
  std::vector<TapPlace> places;
  const int64_t words = depthwiseWords(s);
  for (int64_t word = 0; word < words; ++word) {
    for (int64_t place = 0; place < 4; ++place) {
      const DepthwiseTap tap = depthwiseTap(s, word, place);
      if (tap.exists) places.push_back({tap.ky * s.kw + tap.kx, 4 * word * lanes + place});
    }
  }
  if (!hasSecondRow(s)) return places;
  constexpr int64_t kPlaces[3] = {2, 1, 3};  // as DepthwiseRows says
  for (int64_t ky = 0; ky < 3; ++ky) {
    for (int64_t kx = 0; kx < 3; ++kx)
      places.push_back({ky * 3 + kx, 4 * (words + kx) * lanes + kPlaces[ky]});
  }
  return places;
}

void packTaps(const ConvShape& s, const ConvConfig& c, const Block& b, const int8_t* weights,
              float* to) {
  auto* elements = reinterpret_cast<int8_t*>(to);
  const std::vector<TapPlace> places = tapPlaces(s, b.lanes);
  const int64_t taps = s.kh * s.kw;
  forEachLane(c, b, [&](int64_t o, int64_t lane) {
    for (const TapPlace& p : places) elements[p.place + 4 * lane] = weights[o * taps + p.tap];
  });
}

void packBlockOfBytes(const ConvShape& s, const ConvConfig& c, const Block& b,
                      const PackKernels& kernels, const int8_t* weights, float* to) {
  const PackPlan plan{b.channels, b.lanes, s.ci / s.groups, s.kh * s.kw};
  const bool whole = plan.inputs % 4 == 0;
  if (whole && c.method == ConvMethod::kWinograd2) {
    return kernels.byteWinograd2(plan, weights, to);
  }
  if (whole && c.method == ConvMethod::kWinograd4) {
    return kernels.byteWinograd4(plan, weights, to);
  }
  if (whole && c.method == ConvMethod::kDirect && plan.taps == 1) {
    return kernels.rows({b.channels, b.lanes, plan.inputs / 4, 1},
                        reinterpret_cast<const float*>(weights), to);
  }
  if (whole && c.method == ConvMethod::kDirect && plan.taps <= kMostTaps) {
    return kernels.byteRows(plan, weights, to);
  }
  const auto same = [](int8_t w) { return w; };
  std::fill_n(to, b.lanes * packedRows(s, c), 0.0f);
  if (winogradOutput(c.method)) {
    packWinogradBytes(s, c.method, weights, b.channels, b.lanes, to);
  } else if (isReducedDepthwise(c)) {
    packTaps(s, c, b, weights, to);
  } else if (c.method == ConvMethod::kWide) {
    packRows<int8_t, decltype(same), 2>(s, b, weights, to, same);
  } else {
    packRows(s, b, weights, to, same);
  }
}

// The rows in the order in which their words are multiplied, and behind them that order.
void packMatched(const ConvShape& s, ConvConfig c, const Block& b, const PackKernels& kernels,
                 const int8_t* weights, float* to) {
  c.method = ConvMethod::kDirect;
  const int64_t words = packedRows(s, c);
  std::vector<float> rows(static_cast<size_t>(words * b.lanes));
  packBlockOfBytes(s, c, b, kernels, weights, rows.data());
  const WordOrder found = matchWords(reinterpret_cast<const int8_t*>(rows.data()), words, b.lanes);
  for (uint16_t word : found.order) {
    to = std::copy_n(rows.data() + word * b.lanes, b.lanes, to);
  }
  std::memcpy(to, &found.matched, sizeof found.matched);
  std::memcpy(reinterpret_cast<uint16_t*>(to) + 1, found.order.data(),
              found.order.size() * sizeof found.order[0]);
}

// The same weights of the mergedShape(): of a row of the kernel, pixel by pixel.
std::vector<int8_t> mergeColumns(const ConvShape& s, const int8_t* weights) {
  std::vector<int8_t> merged;
  merged.reserve(static_cast<size_t>(s.co * s.ci * s.kh * s.kw));
  for (int64_t o = 0; o < s.co; ++o)
    for (int64_t kx = 0; kx < s.kw; ++kx)
      for (int64_t i = 0; i < s.ci; ++i)
        for (int64_t ky = 0; ky < s.kh; ++ky)
          merged.push_back(weights[((o * s.ci + i) * s.kh + ky) * s.kw + kx]);
  return merged;
}

}  // namespace

size_t convPackedFloats(const ConvShape& s, const ConvConfig& c) {
  int64_t floats = 0;
  const int64_t rows = headerRows(c.element) + packedRows(s, c);
  forEachBlock(s, c, [&](const Block& b) { floats += b.lanes * rows; });
  return static_cast<size_t>(floats);
}

void packConv(const ConvShape& s, const ConvConfig& c, const float* weights, const float* bias,
              float* packed) {
  const PackKernels& kernels = packKernels(selectedIsa());
  const auto pack = c.method == ConvMethod::kWinograd4   ? kernels.winograd4
                    : c.method == ConvMethod::kWinograd2 ? kernels.winograd2
                                                         : kernels.rows;
  forEachBlock(s, c, [&](const Block& b) {
    std::fill_n(packed, b.lanes, 0.0f);
    if (bias) std::copy_n(bias + b.firstOut, b.channels, packed);
    packed += b.lanes;
    PackPlan plan{b.channels, b.lanes, s.ci / s.groups, s.kh * s.kw};
    plan.streams = !keepsClearedPages();
    pack(plan, weights + b.firstOut * plan.inputs * plan.taps, packed);
    packed += b.lanes * packedRows(s, c);
  });
}

void packConvBFloat16(const ConvShape& s, const ConvConfig& c, const float* weights,
                      const float* bias, float* packed) {
  const PackKernels& kernels = packKernels(selectedIsa());
  forEachBlock(s, c, [&](const Block& b) {
    std::fill_n(packed, b.lanes, 0.0f);
    for (int64_t o = 0; bias && o < b.channels; ++o) packed[laneOf(c, o)] = bias[b.firstOut + o];
    packed += b.lanes;
    const PackPlan plan{b.channels, b.lanes, s.ci / s.groups, s.kh * s.kw};
    const float* first = weights + b.firstOut * plan.inputs * plan.taps;
    float* to = packed;
    packed += b.lanes * packedRows(s, c);
    if (!isReducedDepthwise(c) && plan.inputs % 2 == 0 && plan.taps <= kMostTaps) {
      return kernels.pairs(plan, first, to);
    }
    std::fill(to, packed, 0.0f);
    if (!isReducedDepthwise(c)) return packRows(s, b, first, to, bfloat16FromFloat);
    for (int64_t o = 0; o < b.channels; ++o) {
      const float* of = first + o * plan.taps;
      for (int64_t k = 0; k < plan.taps; ++k) to[k * b.lanes + laneOf(c, o)] = of[k];
    }
  });
}

void packConvBytes(const ConvShape& s, const ConvConfig& c, const int8_t* weights,
                   const float* scale, const float* bias, int inputZero, float* packed) {
  if (mergesColumns(s, c)) {
    const std::vector<int8_t> merged = mergeColumns(s, weights);
    return packConvBytes(mergedShape(s, c), c, merged.data(), scale, bias, inputZero, packed);
  }
  const PackKernels& kernels = packKernels(selectedIsa());
  const int64_t terms = s.ci / s.groups * s.kh * s.kw;
  forEachBlock(s, c, [&](const Block& b) {
    const int8_t* of = weights + b.firstOut * terms;
    std::fill_n(packed, headerRows(c.element) * b.lanes, 0.0f);
    forEachLane(c, b, [&](int64_t o, int64_t lane) {
      packed[lane] = scale[b.firstOut + o];
      if (bias) packed[b.lanes + lane] = bias[b.firstOut + o];
      const int start = startOfSum(kernels, of + o * terms, terms, inputZero);
      std::memcpy(packed + 2 * b.lanes + lane, &start, sizeof start);
    });
    packed += headerRows(c.element) * b.lanes;
    if (c.method == ConvMethod::kMatched) {
      packMatched(s, c, b, kernels, of, packed);
    } else {
      packBlockOfBytes(s, c, b, kernels, of, packed);
    }
    packed += b.lanes * packedRows(s, c);
  });
}

bool pairsFitSixteenBits(const ConvShape& s, const ConvConfig& c, const int8_t* weights) {
  const BytePairs pairs =
      isReducedDepthwise(c) ? BytePairs::ofDepthwise(s.kh, s.kw)
                            : BytePairs::ofConvolution(s.ci / s.groups, s.groups, s.kh, s.kw, s.dw);
  const size_t terms = pairs.channels * pairs.taps;
  for (int64_t o = 0; o < s.co; ++o, weights += terms) {
    if (!pairs.allFit(weights)) return false;
  }
  return true;
}

}  // namespace layerwise::cpu
