#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"

// Internal linkage: units of every instruction set include this.
namespace layerwise::cpu {
namespace {

constexpr int64_t divideUp(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// The most pixels whose accumulators, together with the weights and one broadcast, fit the
// registers.
constexpr int maxPixels(int registers, int vectors) {
  const int fit = (registers - vectors - 1) / vectors;
  return fit < kMaxPixels ? fit : kMaxPixels;
}

// A Winograd kernel computes F(m x m, 3x3) on patches of (m + 2) x (m + 2) points; 0 for other
// methods.
constexpr int64_t winogradOutput(ConvMethod method) {
  return method == ConvMethod::kWinograd4 ? 4 : method == ConvMethod::kWinograd2 ? 2 : 0;
}

// Rows of weights in a packed block, after the row of its bias.
constexpr int64_t packedRows(const ConvShape& s, ConvMethod method) {
  const int64_t output = winogradOutput(method);
  return (output ? (output + 2) * (output + 2) : s.kh * s.kw) * (s.ci / s.groups);
}

}  // namespace
}  // namespace layerwise::cpu
