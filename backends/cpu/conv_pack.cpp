#include <algorithm>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/winograd_matrices.h"

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

void packRows(const ConvShape& s, const Block& b, const float* weights, float* to) {
  const int64_t kernel = s.kh * s.kw, groupCi = s.ci / s.groups;
  for (int64_t o = 0; o < b.channels; ++o) {
    const float* from = weights + (b.firstOut + o) * groupCi * kernel;
    for (int64_t k = 0; k < kernel; ++k) {
      for (int64_t i = 0; i < groupCi; ++i) {
        to[(k * groupCi + i) * b.lanes + o] = from[i * kernel + k];
      }
    }
  }
}

}  // namespace

size_t convPackedFloats(const ConvShape& s, const ConvConfig& c) {
  int64_t floats = 0;
  forEachBlock(s, c, [&](const Block& b) { floats += b.lanes * (1 + packedRows(s, c.method)); });
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
      packRows(s, b, weights, packed);
    }
    packed += b.lanes * packedRows(s, c.method);
  });
}

}  // namespace layerwise::cpu
