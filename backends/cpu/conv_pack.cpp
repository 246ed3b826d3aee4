#include <algorithm>
#include <cstring>
#include <numeric>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/winograd_matrices.h"
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
      visit(Block{g * perGroup + first, channels, divideUp(channels, c.width) * c.width});
    }
  }
}

// The 3x3 weights of one pair of channels, transformed: G g G^T, in double.
void transformWeights(const float* g, int64_t points, double* out) {
  const auto coefficient = [&](int64_t i, int64_t j) {
    return points == 6 ? kWinograd4Weights[i][j] : kWinograd2Weights[i][j];
  };
  for (int64_t i = 0; i < points; ++i) {
    double row[3] = {};
    for (int k = 0; k < 3; ++k) {
      for (int j = 0; j < 3; ++j) row[j] += coefficient(i, k) * g[k * 3 + j];
    }
    for (int64_t j = 0; j < points; ++j) {
      out[i * points + j] = 0;
      for (int k = 0; k < 3; ++k) out[i * points + j] += row[k] * coefficient(j, k);
    }
  }
}

void packWinograd(const ConvShape& s, int64_t points, const Block& b, const float* weights,
                  float* to) {
  double transformed[36];
  for (int64_t o = 0; o < b.channels; ++o) {
    for (int64_t i = 0; i < s.ci; ++i) {
      transformWeights(weights + ((b.firstOut + o) * s.ci + i) * 9, points, transformed);
      for (int64_t e = 0; e < points * points; ++e) {
        to[(e * s.ci + i) * b.lanes + o] = static_cast<float>(transformed[e]);
      }
    }
  }
}

// A word holds neighbouring input channels of one output channel; convert(weight, o) gives an
// element.
template <class From, class Convert>
void packRows(const ConvShape& s, const Block& b, const From* weights, float* to,
              const Convert& convert) {
  using To = decltype(convert(*weights));
  constexpr int64_t kElements = sizeof(float) / sizeof(To);
  const int64_t kernel = s.kh * s.kw, groupCi = s.ci / s.groups;
  const int64_t words = divideUp(groupCi, kElements);
  To* elements = reinterpret_cast<To*>(to);
  for (int64_t o = 0; o < b.channels; ++o) {
    const From* from = weights + (b.firstOut + o) * groupCi * kernel;
    for (int64_t k = 0; k < kernel; ++k) {
      for (int64_t i = 0; i < groupCi; ++i) {
        const int64_t word = (k * words + i / kElements) * b.lanes + o;
        elements[word * kElements + i % kElements] = convert(from[i * kernel + k]);
      }
    }
  }
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
  std::fill_n(packed, convPackedFloats(s, c), 0.0f);
  const int64_t output = winogradOutput(c.method);
  forEachBlock(s, c, [&](const Block& b) {
    if (bias) std::copy_n(bias + b.firstOut, b.channels, packed);
    packed += b.lanes;
    if (output) {
      packWinograd(s, output + 2, b, weights, packed);
    } else {
      packRows(s, b, weights, packed, [](float w) { return w; });
    }
    packed += b.lanes * packedRows(s, c);
  });
}

void packConvBFloat16(const ConvShape& s, const ConvConfig& c, const float* weights,
                      const float* bias, float* packed) {
  std::fill_n(packed, convPackedFloats(s, c), 0.0f);
  forEachBlock(s, c, [&](const Block& b) {
    if (bias) std::copy_n(bias + b.firstOut, b.channels, packed);
    packed += b.lanes;
    packRows(s, b, weights, packed, bfloat16FromFloat);
    packed += b.lanes * packedRows(s, c);
  });
}

void packConvBytes(const ConvShape& s, const ConvConfig& c, const int8_t* weights,
                   const float* scale, const float* bias, int inputZero, float* packed) {
  std::fill_n(packed, convPackedFloats(s, c), 0.0f);
  const int64_t terms = s.ci / s.groups * s.kh * s.kw;
  forEachBlock(s, c, [&](const Block& b) {
    std::copy_n(scale + b.firstOut, b.channels, packed);
    packed += b.lanes;
    if (bias) std::copy_n(bias + b.firstOut, b.channels, packed);
    packed += b.lanes;
    for (int64_t o = 0; o < b.channels; ++o) {
      const int8_t* of = weights + (b.firstOut + o) * terms;
      const int start = -inputZero * std::accumulate(of, of + terms, 0);
      std::memcpy(packed + o, &start, sizeof start);
    }
    packed += b.lanes;
    packRows(s, b, weights, packed, [](int8_t w) { return w; });
    packed += b.lanes * packedRows(s, c);
  });
}

bool pairsFitSixteenBits(const ConvShape& s, const int8_t* weights) {
  constexpr int kMost = 32767 / 255;
  const int64_t kernel = s.kh * s.kw, groupCi = s.ci / s.groups;
  for (int64_t o = 0; o < s.co; ++o, weights += groupCi * kernel) {
    for (int64_t k = 0; k < kernel; ++k) {
      for (int64_t i = 0; i + 1 < groupCi; i += 2) {
        const int a = weights[i * kernel + k], b = weights[(i + 1) * kernel + k];
        if (std::max(a, 0) + std::max(b, 0) > kMost || std::min(a, 0) + std::min(b, 0) < -kMost) {
          return false;
        }
      }
    }
  }
  return true;
}

}  // namespace layerwise::cpu
