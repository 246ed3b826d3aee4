#include "backends/cpu/companded_weights.h"

#include <array>
#include <cmath>

#include "backends/cpu/companding_code.h"
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

}  // namespace

std::span<const std::uint16_t, Companding::kMagnitudes> Companding::magnitudes() {
  static const auto made = makeMagnitudes();
  return made;
}

float Companding::encode(std::span<const float> weights, std::uint8_t* codes) {
  const auto [scale, factor] =
      compandingScale(weights.data(), static_cast<std::int64_t>(weights.size()));
  for (std::size_t i = 0; i < weights.size(); ++i)
    codes[i] = static_cast<std::uint8_t>(compandedCode(weights[i], factor));
  return scale;
}

bool Companding::fits(std::span<const float> weights) {
  const float largest = largestMagnitude(weights.data(), static_cast<std::int64_t>(weights.size()));
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
