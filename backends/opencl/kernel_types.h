#pragma once

#include <string_view>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/step.h"
#include "layerwise/data_type.h"

namespace layerwise::opencl {

/// Defines for operand k: Tk, what is in memory; Vk, what is computed with; LOADk(base, index) and
/// STOREk(base, index, value) between them.
void defineTypes(ProgramSource& source, const std::vector<DataType>& types);
/// T0 as an unsigned integer of the type's size, for copies.
void defineCopyType(ProgramSource& source, DataType type);

/// "int", "float", ...: what a kernel computes with for a type in memory.
std::string_view computeTypeName(DataType type);

/// A launch of one work item an element, in groups of one size.
Launch launchOver(std::int64_t elements, std::shared_ptr<const Program> program, std::string kernel,
                  std::vector<Argument> arguments);
/// The same of `items` in each of `rows` of each of `images`: the three dimensions of the work.
Launch launchOver(std::int64_t items, std::int64_t rows, std::int64_t images,
                  std::shared_ptr<const Program> program, std::string kernel,
                  std::vector<Argument> arguments);

/// The options with which divisions and square roots are rounded correctly, where the device has
/// that.
std::string exactDivision(const Device& device);

}  // namespace layerwise::opencl
