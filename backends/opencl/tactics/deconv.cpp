#include "backends/opencl/conv_weights.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/single_node.h"
#include "backends/opencl/window.h"

namespace layerwise {
namespace opencl {
namespace {

std::shared_ptr<const void> packDeconvolution(const Deconvolution& a, const Node& node,
                                              const Device& device) {
  return uploadWeights(device, node, floatWeights(node.weights[0]), biasOf(node, a.outputs));
}

std::unique_ptr<Step> bindDeconvolution(const Deconvolution& a, const BindContext& c,
                                        const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return std::make_unique<ClStep>();
  const auto& packed = *static_cast<const PackedWeights*>(c.packed.get());
  WindowArgument window(Window3(resolveWindow(a, in.dims), in.dims), out);
  ProgramSource source{.file = "deconv.cl"};
  defineTypes(source, {out.type, in.type});
  std::vector<Argument> arguments{Argument::view(out),
                                  Argument::view(in),
                                  Argument::memory(packed.weights),
                                  Argument::memory(packed.bias),
                                  Argument::value(window),
                                  Argument::value(ViewStrides(out)),
                                  Argument::value(ViewStrides(in)),
                                  Argument::integer(in.dims[1] / a.groups),
                                  Argument::integer(a.outputs / a.groups),
                                  Argument::integer(channelsInnermost(out)),
                                  Argument::integer(out.dims.volume())};
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(out.dims.volume(), device.program(source), "deconv", std::move(arguments))});
}

double deconvolutionFlops(const Deconvolution& a, const NodeInfo& info) {
  return 2 * static_cast<double>(info.inputs[0].dims.volume()) *
         static_cast<double>(a.outputs / a.groups * a.kernel.volume());
}

}  // namespace
}  // namespace opencl

void registerTactic_deconv(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Deconvolution>(registry, {.flops = deconvolutionFlops,
                                        .channelsLast = true,
                                        .pack = packDeconvolution,
                                        .bind = bindDeconvolution});
}

}  // namespace layerwise
