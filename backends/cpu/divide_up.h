#pragma once

#include <cstdint>

// Internal linkage: units of every instruction set include this.
namespace layerwise::cpu {
namespace {

constexpr int64_t divideUp(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

constexpr int64_t roundUp(int64_t a, int64_t b) {
  return divideUp(a, b) * b;
}

}  // namespace
}  // namespace layerwise::cpu
