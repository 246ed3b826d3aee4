#include "backends/opencl/winograd.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "backends/opencl/conv_weights.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/window.h"
#include "backends/shared/winograd_matrices.h"
#include "backends/shared/winograd_weights.h"

namespace layerwise::opencl {
namespace {

/// The kernels' struct Winograd.
struct TransformArgument {
  ViewStrides tensor, residual;
  cl_int height, width, padY, padX, patchesY, patchesX, firstPatch, patches, channels, pitch;
};

ProgramSource sourceOf(std::string file, std::int64_t points) {
  ProgramSource source{.file = std::move(file)};
  source.define("POINTS", points);
  if (points == 6) {
    source.define("NEAR", fmt::format("{:.9g}f", kWinograd4Near));
    source.define("FAR", fmt::format("{:.9g}f", kWinograd4Far));
  }
  return source;
}

}  // namespace

double WinogradProblem::flops() const {
  return 2 * static_cast<double>(elements() * patches()) *
         static_cast<double>(inChannels * outChannels);
}

double WinogradProblem::productBytes() const {
  return static_cast<double>(patches() * bytesOfPatch());
}

double WinogradProblem::transformedBytes() const {
  // Patches overlap: what is read again comes from a cache.
  return productBytes() +
         sizeof(float) * static_cast<double>(images * (height * width * inChannels +
                                                       outHeight * outWidth * outChannels));
}

std::optional<WinogradProblem> winogradProblem(const Convolution& a, const Dims& input,
                                               std::int64_t points) {
  if (a.groups != 1 || input.rank() != 4 || a.kernel[0] != 3 || a.kernel[1] != 3)
    return std::nullopt;
  const Window3 w(resolveWindow(a, input), input);
  for (int axis : {1, 2})
    if (w.stride[axis] != 1 || w.dilation[axis] != 1) return std::nullopt;
  return WinogradProblem{points,  input[0], input[1], a.outputs, w.in[1],
                         w.in[2], w.out[1], w.out[2], w.pad[1],  w.pad[2]};
}

std::vector<float> transformedWeights(const WinogradProblem& p, const Node& node,
                                      std::int64_t depth, std::int64_t columns) {
  const std::vector<float> kernel = floatWeights(node.weights[0]);
  std::vector<float> transformed(static_cast<std::size_t>(p.elements() * depth * columns), 0);
  for (std::int64_t i = 0; i < p.inChannels; ++i)
    transformWinogradWeights(p.points, kernel.data() + i * 9, p.inChannels * 9, p.outChannels,
                             transformed.data() + i * columns, depth * columns);
  return transformed;
}

ClStep winogradStep(const Device& device, const BindContext& context, const WinogradProblem& p,
                    std::int64_t pass, const cl::Buffer& bias, const WinogradProduct& product) {
  const BufferView &in = context.inputs[0], &out = context.outputs[0];
  const Epilogue epilogue(fusedNodes(context.graph, context.candidate.nodes));
  ProgramSource inputSource = sourceOf("winograd_input.cl", p.points),
                outputSource = sourceOf("winograd_output.cl", p.points);
  defineTypes(inputSource, {in.type});
  std::vector<DataType> outputTypes{out.type};
  if (epilogue.residual) outputTypes.push_back(context.inputs[1].type);
  defineTypes(outputSource, outputTypes);
  epilogue.define(outputSource);
  // Sixteen copies of an activation are quickly executed, and slowly compiled by a processor.
  outputSource.define("UNROLL", device.info().isCpu ? "" : "_Pragma(\"unroll\")");

  TransformArgument input{};
  input.tensor = ViewStrides(in);
  input.height = toInt(p.height), input.width = toInt(p.width);
  input.padY = toInt(p.padY), input.padX = toInt(p.padX);
  input.patchesY = toInt(p.patchesY()), input.patchesX = toInt(p.patchesX());
  input.channels = toInt(p.inChannels), input.pitch = toInt(p.inPitch());
  TransformArgument output = input;
  output.tensor = ViewStrides(out);
  output.height = toInt(p.outHeight), output.width = toInt(p.outWidth);
  output.channels = toInt(p.outChannels), output.pitch = toInt(p.outPitch());
  if (epilogue.residual) output.residual = ViewStrides(context.inputs[1]);

  const std::int64_t together = std::min(p.patches(), pass);
  const std::int64_t inBytes = together * p.elements() * p.inPitch() * 4;
  const Argument transformed = Argument::workspace(0, sizeof(float));
  const Argument products = Argument::workspace(static_cast<std::size_t>(inBytes), sizeof(float));
  std::vector<Launch> launches;
  for (std::int64_t first = 0; first < p.patches(); first += together) {
    const std::int64_t patches = std::min(together, p.patches() - first);
    for (TransformArgument* t : {&input, &output})
      t->firstPatch = toInt(first), t->patches = toInt(patches);
    launches.push_back(launchOver(patches * p.inPitch(), device.program(inputSource),
                                  "winograd_input",
                                  {transformed, Argument::view(in), Argument::value(input)}));
    launches.push_back(product(patches, transformed, products));
    std::vector<Argument> arguments{Argument::view(out), products, Argument::memory(bias)};
    if (epilogue.residual) arguments.push_back(Argument::view(context.inputs[1]));
    arguments.push_back(Argument::value(output));
    arguments.push_back(Argument::real(epilogue.activation.alpha));
    arguments.push_back(Argument::real(epilogue.activation.beta));
    launches.push_back(launchOver(patches * p.outChannels, device.program(outputSource),
                                  "winograd_output", std::move(arguments)));
  }
  return ClStep(std::move(launches), static_cast<std::size_t>(together * p.bytesOfPatch()));
}

}  // namespace layerwise::opencl
