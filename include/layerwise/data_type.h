#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "layerwise/export.h"

namespace layerwise {

/// The type of a tensor's elements. The values are stored in plan files: never renumber.
enum class DataType : std::int32_t {
  kFloat32 = 0,
  kFloat16 = 1,
  kBFloat16 = 2,
  kInt8 = 3,
  kUInt8 = 4,
  kInt32 = 5,
  kInt64 = 6,
  kBool = 7,  ///< one byte, 0 or 1
};

/// Bytes one element takes.
constexpr std::size_t sizeOf(DataType type) {
  switch (type) {
    case DataType::kFloat32:
    case DataType::kInt32:
      return 4;
    case DataType::kFloat16:
    case DataType::kBFloat16:
      return 2;
    case DataType::kInt8:
    case DataType::kUInt8:
    case DataType::kBool:
      return 1;
    case DataType::kInt64:
      return 8;
  }
  return 0;
}

/// float32, float16 or bfloat16.
constexpr bool isFloat(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

/// Any signed or unsigned integer; kBool is none.
constexpr bool isInteger(DataType type) {
  return !isFloat(type) && type != DataType::kBool;
}

/// "float32", "int8", ...; "?" for a value that is none of them.
LAYERWISE_API std::string_view toString(DataType type);

/// The inverse of toString; throws Error kInvalidArgument for an unknown name.
LAYERWISE_API DataType dataTypeFromString(std::string_view name);

}  // namespace layerwise
