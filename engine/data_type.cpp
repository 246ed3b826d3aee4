#include "layerwise/data_type.h"

#include <fmt/format.h>

#include <array>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"float32", "float16", "bfloat16", "int8",
                                                    "uint8",   "int32",   "int64",    "bool"};

}  // namespace

std::string_view toString(DataType type) {
  auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames[index] : "?";
}

DataType dataTypeFromString(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<DataType>(i);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[data type] '{}' is not one of {}", name, fmt::join(kNames, ", ")));
}

}  // namespace layerwise
