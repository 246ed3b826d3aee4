#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace layerwise {

/// Values of a part: loops of this length over arrays are vectorised by compilers, shorter ones are
/// unrolled first.
inline constexpr std::size_t kPart = 64;

/// Calls visit(const float*) with one part of the values after the other. The last one is filled up
/// with NaNs.
template <class Visit>
void inParts(std::span<const float> values, const Visit& visit) {
  const std::size_t whole = values.size() / kPart * kPart;
  for (std::size_t i = 0; i < whole; i += kPart) visit(values.data() + i);
  if (whole == values.size()) return;
  std::array<float, kPart> rest;
  rest.fill(std::numeric_limits<float>::quiet_NaN());
  std::copy(values.begin() + static_cast<std::ptrdiff_t>(whole), values.end(), rest.begin());
  visit(rest.data());
}

/// Infinities and NaNs become `otherwise`.
inline float ifFinite(float value, float otherwise) {
  return std::abs(value) <= std::numeric_limits<float>::max() ? value : otherwise;
}

}  // namespace layerwise
