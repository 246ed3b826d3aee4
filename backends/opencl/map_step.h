#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/step.h"

namespace layerwise::opencl {

/// An operand of a map: a view, or memory of the step's own; `strides` in the axes of the output.
struct MapOperand {
  Argument argument;
  DataType type;
  Dims strides;
  bool isMemory = false;

  static MapOperand view(const BufferView& view, const Dims& to);
  static MapOperand memory(cl::Buffer buffer, const Dims& strides);
};

/// What kernels/map.cl is to compute.
struct MapFunction {
  const char* use = nullptr;  ///< "USE_ACTIVATION": which file holds the function
  std::vector<std::pair<std::string, std::string>> defines;
  double alpha = 0, beta = 0;
};

/// output = function(operands) for every element.
std::unique_ptr<Step> bindMap(const Device& device, const MapFunction& function,
                              const BufferView& output, const std::vector<MapOperand>& operands);

}  // namespace layerwise::opencl
