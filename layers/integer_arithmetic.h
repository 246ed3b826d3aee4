#pragma once

#include <cstdint>

#include "layerwise/data_type.h"

/// Integer arithmetic of the reference: it wraps around like the machine's, and no operands make it
/// undefined. A division by zero gives 0.
namespace layerwise::integer {

inline std::int64_t fromDouble(double value) {
  constexpr double kLimit = 9223372036854774784.0;  // the largest double below 2^63
  if (!(value == value)) return 0;
  return static_cast<std::int64_t>(value > kLimit ? kLimit : value < -kLimit ? -kLimit : value);
}

/// The value modulo the type's range.
inline std::int64_t wrap(DataType type, std::int64_t value) {
  switch (type) {
    case DataType::kInt8:
      return static_cast<std::int8_t>(value);
    case DataType::kUInt8:
      return static_cast<std::uint8_t>(value);
    case DataType::kInt32:
      return static_cast<std::int32_t>(value);
    default:
      return value;
  }
}

inline std::int64_t add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

inline std::int64_t subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

inline std::int64_t multiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

/// Rounded towards zero.
inline std::int64_t divide(std::int64_t a, std::int64_t b) {
  if (b == 0) return 0;
  return b == -1 ? subtract(0, a) : a / b;
}

/// Rounded down.
inline std::int64_t floorDivide(std::int64_t a, std::int64_t b) {
  std::int64_t quotient = divide(a, b);
  bool inexact = b != 0 && b != -1 && a % b != 0;
  return inexact && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

/// With the sign of the divisor.
inline std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0 || b == -1) return 0;
  std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// A negative exponent gives the power's integer part.
inline std::int64_t power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  std::int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base);
    base = multiply(base, base);
  }
  return result;
}

}  // namespace layerwise::integer
