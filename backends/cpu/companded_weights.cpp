#include "backends/cpu/companded_weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

constexpr int kLast = Companding::kMagnitudes - 1;

std::array<std::uint16_t, Companding::kMagnitudes> makeMagnitudes() {
  std::array<std::uint16_t, Companding::kMagnitudes> made;
  for (int i = 0; i <= kLast; ++i) {
    const double value =
        (std::pow(1 + Companding::kMu, static_cast<double>(i) / kLast) - 1) / Companding::kMu;
    made[static_cast<std::size_t>(i)] = bfloat16FromFloat(static_cast<float>(value));
  }
  return made;
}

// Loops without branches, which the compiler turns into vector instructions: engines are loaded at
// gigabytes a second.

float largestOf(std::span<const float> weights) {
  std::uint32_t largest = 0;  // of the bits without the sign: NaN is above infinity
  for (float w : weights) largest = std::max(largest, std::bit_cast<std::uint32_t>(w) << 1);
  return std::bit_cast<float>(largest >> 1);
}

// log2 of a positive number, to 1e-4: a minimax polynomial of its fraction.
float roughLog2(float x) {
  constexpr int kFractionBits = 23, kBias = 127;
  const auto bits = std::bit_cast<std::int32_t>(x);
  const auto exponent = static_cast<float>((bits >> kFractionBits) - kBias);
  const float f =
      std::bit_cast<float>((bits & ((1 << kFractionBits) - 1)) | (kBias << kFractionBits));
  return exponent +
         ((((-0.081615809f * f + 0.64514236f) * f - 2.1206751f) * f + 4.0700908f) * f - 2.5128546f);
}

}  // namespace

std::span<const std::uint16_t, Companding::kMagnitudes> Companding::magnitudes() {
  static const auto made = makeMagnitudes();
  return made;
}

float Companding::encode(std::span<const float> weights, std::uint8_t* codes) {
  const float largest = largestOf(weights);
  if (!(largest >= kLeast) || !std::isfinite(largest)) {
    std::fill_n(codes, weights.size(), std::uint8_t{0});
    return largest >= kLeast || std::isnan(largest) ? largest : 0;
  }
  const float factor = static_cast<float>(kMu) / largest;
  const auto perOctave = static_cast<float>(kLast / std::log2(1 + kMu));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const float place = perOctave * roughLog2(1 + std::abs(weights[i]) * factor) + 0.5f;
    const auto sign = std::bit_cast<std::uint32_t>(weights[i]) >> 31 << 7;
    codes[i] =
        static_cast<std::uint8_t>(static_cast<std::uint32_t>(static_cast<int>(place)) | sign);
  }
  return largest;
}

bool Companding::fits(std::span<const float> weights) {
  const float largest = largestOf(weights);
  if (!std::isfinite(largest)) return false;
  if (!(largest >= kLeast)) return true;
  constexpr std::size_t kLanes = 16;  // sums that do not wait for each other
  float sums[kLanes] = {}, squares[kLanes] = {};
  const float factor = 1 / largest;
  const auto add = [&](std::size_t i, std::size_t lane) {
    const float x = std::abs(weights[i]) * factor;
    sums[lane] += x;
    squares[lane] += x * x;
  };
  std::size_t i = 0;
  for (; i + kLanes <= weights.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  for (; i < weights.size(); ++i) add(i, 0);
  double sum = 0, square = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) sum += sums[lane], square += squares[lane];
  // At x, magnitudes are (1 + mu x) steps apart, and errors are spread evenly over that distance.
  const auto count = static_cast<double>(weights.size());
  const double step = std::log(1 + kMu) / (kLast * kMu);
  const double noise = step * step / 12 * (count + 2 * kMu * sum + kMu * kMu * square);
  return noise * count <= kMostNoise * sum * sum;
}

}  // namespace layerwise::cpu
