#include "backends/opencl/map_step.h"

#include <array>

#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/shared/node_info.h"

namespace layerwise::opencl {

MapOperand MapOperand::view(const BufferView& view, const Dims& to) {
  return {Argument::view(view), view.type, broadcastStrides(view, to)};
}

MapOperand MapOperand::memory(cl::Buffer buffer, const Dims& strides) {
  return {Argument::memory(std::move(buffer)), DataType::kFloat32, strides, true};
}

std::unique_ptr<Step> bindMap(const Device& device, const MapFunction& function,
                              const BufferView& output, const std::vector<MapOperand>& operands) {
  std::vector<DataType> types{output.type};
  std::array<Dims, Nest::kOperands> strides;
  strides.fill(Dims::filled(output.dims.rank(), 0));
  strides[0] = output.strides;
  std::vector<Argument> arguments{Argument::view(output)};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    types.push_back(operands[i].type);
    strides[i + 1] = operands[i].strides;
    arguments.push_back(operands[i].argument);
    if (operands[i].isMemory) arguments.push_back(Argument::value(cl_ulong{0}));
  }
  Nest nest = simplifiedNest<Nest::kOperands>(loopsOver<Nest::kOperands>(output.dims, strides));
  if (nest.total == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "map.cl", .defines = function.defines};
  source.define(function.use, "1");
  source.define("OPERANDS", static_cast<long long>(types.size()));
  source.options = exactDivision(device);
  defineTypes(source, types);
  arguments.push_back(Argument::value(nest));
  arguments.push_back(Argument::real(function.alpha));
  arguments.push_back(Argument::real(function.beta));
  std::vector<Launch> launches{
      launchOver(nest.total, device.program(source), "map", std::move(arguments))};
  return std::make_unique<ClStep>(std::move(launches));
}

}  // namespace layerwise::opencl
