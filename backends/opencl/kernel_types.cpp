#include "backends/opencl/kernel_types.h"

#include <fmt/format.h>

namespace layerwise::opencl {
namespace {

constexpr std::size_t kGroup = 128;

std::string_view memoryTypeName(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return "float";
    case DataType::kFloat16:
      return "half";
    case DataType::kBFloat16:
      return "ushort";
    case DataType::kInt8:
      return "char";
    case DataType::kUInt8:
    case DataType::kBool:
      return "uchar";
    case DataType::kInt32:
      return "int";
    case DataType::kInt64:
      return "long";
  }
  return "?";
}

}  // namespace

std::string_view computeTypeName(DataType type) {
  return isFloat(type) ? "float" : memoryTypeName(type);
}

void defineTypes(ProgramSource& source, const std::vector<DataType>& types) {
  for (std::size_t k = 0; k < types.size(); ++k) {
    source.define(fmt::format("T{}", k), std::string(memoryTypeName(types[k])));
    source.define(fmt::format("V{}", k), std::string(computeTypeName(types[k])));
    std::string load = "(base)[index]", store = "(base)[index] = (value)";
    if (types[k] == DataType::kFloat16) {
      load = "vload_half(index, base)";
      store = "vstore_half(value, index, base)";
    } else if (types[k] == DataType::kBFloat16) {
      load = "bfloat16ToFloat((base)[index])";
      store = "(base)[index] = bfloat16FromFloat(value)";
    }
    source.define(fmt::format("LOAD{}(base, index)", k), load);
    source.define(fmt::format("STORE{}(base, index, value)", k), store);
  }
}

void defineCopyType(ProgramSource& source, DataType type) {
  constexpr const char* kNames[] = {"", "uchar", "ushort", "", "uint", "", "", "", "ulong"};
  source.define("T0", kNames[sizeOf(type)]);
}

Launch launchOver(std::int64_t elements, std::shared_ptr<const Program> program, std::string kernel,
                  std::vector<Argument> arguments) {
  auto groups = (static_cast<std::size_t>(elements) + kGroup - 1) / kGroup;
  return {std::move(program),
          std::move(kernel),
          std::move(arguments),
          {groups * kGroup, 1, 1},
          {kGroup, 1, 1}};
}

Launch launchOver(std::int64_t items, std::int64_t rows, std::int64_t images,
                  std::shared_ptr<const Program> program, std::string kernel,
                  std::vector<Argument> arguments) {
  constexpr std::size_t kRowGroup = 64;
  auto groups = (static_cast<std::size_t>(items) + kRowGroup - 1) / kRowGroup;
  return {std::move(program),
          std::move(kernel),
          std::move(arguments),
          {groups * kRowGroup, static_cast<std::size_t>(rows), static_cast<std::size_t>(images)},
          {kRowGroup, 1, 1}};
}

std::string exactDivision(const Device& device) {
  return device.info().exactDivide ? "-cl-fp32-correctly-rounded-divide-sqrt" : "";
}

}  // namespace layerwise::opencl
