#include "backends/cpu/winograd_bytes.h"

#include <cstring>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/cpu/winograd_integers.h"

namespace layerwise::cpu {
namespace {

template <int m>
void pack(const ConvShape& s, const int8_t* weights, int64_t channels, int64_t lanes, float* to) {
  constexpr int kPoints = m + 2;
  constexpr auto& matrix = WinogradIntegers<m>::kWeights;
  const int64_t words = divideUp(s.ci, 2);
  auto* shorts = reinterpret_cast<int16_t*>(to);
  for (int64_t o = 0; o < channels; ++o) {
    for (int64_t i = 0; i < s.ci; ++i, weights += 9) {
      int half[kPoints][3];
      for (int y = 0; y < kPoints; ++y) {
        for (int x = 0; x < 3; ++x) {
          half[y][x] = matrix[y][0] * weights[x] + matrix[y][1] * weights[3 + x] +
                       matrix[y][2] * weights[6 + x];
        }
      }
      for (int y = 0; y < kPoints; ++y) {
        for (int x = 0; x < kPoints; ++x) {
          const int value =
              matrix[x][0] * half[y][0] + matrix[x][1] * half[y][1] + matrix[x][2] * half[y][2];
          const int64_t word = ((y * kPoints + x) * words + i / 2) * lanes + o;
          shorts[2 * word + i % 2] = static_cast<int16_t>(value);
        }
      }
    }
  }
}

}  // namespace

void packWinogradBytes(const ConvShape& s, ConvMethod method, const int8_t* weights,
                       int64_t channels, int64_t lanes, float* to) {
  if (method == ConvMethod::kWinograd2) {
    pack<2>(s, weights, channels, lanes, to);
  } else {
    pack<4>(s, weights, channels, lanes, to);
  }
}

bool winogradSumsFit(const ConvShape& s, ConvMethod method, const int8_t* weights) {
  const int shift =
      method == ConvMethod::kWinograd2 ? WinogradIntegers<2>::kShift : WinogradIntegers<4>::kShift;
  const int64_t most = (int64_t{1} << (31 - shift)) / 255, terms = s.ci * 9;
  if (128 * terms < most) return true;
  const PackKernels& kernels = packKernels(selectedIsa());
  for (int64_t o = 0; o < s.co; ++o, weights += terms) {
    const SignedSums sums = kernels.sums(weights, terms);
    if (sums.positive >= most || -sums.negative >= most) return false;
  }
  return true;
}

}  // namespace layerwise::cpu
