#include "backends/opencl/activation_function.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/map_step.h"
#include "backends/opencl/single_node.h"
#include "backends/opencl/window.h"
#include "backends/shared/folded_quantization.h"

namespace layerwise {
namespace opencl {
namespace {

struct PackedQuantization {
  cl::Buffer scales, zeroPoints;
  bool manyScales = false, manyZeroPoints = false;
};

std::shared_ptr<const void> packQuantization(const Node& node, const Device& device, bool inverse) {
  std::vector<float> scales = floatWeights(node.weights[0]), zeros = floatWeights(node.weights[1]);
  if (inverse)
    for (float& scale : scales) scale = 1 / scale;
  if (zeros.empty()) zeros.push_back(0);
  return std::make_shared<PackedQuantization>(
      PackedQuantization{device.upload(scales, node.name), device.upload(zeros, node.name),
                         scales.size() > 1, zeros.size() > 1});
}

std::unique_ptr<Step> bindQuantization(const BindContext& c, const Device& device,
                                       std::int64_t axis, MapFunction function) {
  const auto& packed = *static_cast<const PackedQuantization*>(c.packed.get());
  const BufferView& out = c.outputs[0];
  Dims one = Dims::filled(out.dims.rank(), 0), many = one;
  if (packed.manyScales || packed.manyZeroPoints) many[axisOf(axis, out.dims.rank())] = 1;
  function.use = "USE_QUANTIZE";
  return bindMap(device, function, out,
                 {MapOperand::view(c.inputs[0], out.dims),
                  MapOperand::memory(packed.scales, packed.manyScales ? many : one),
                  MapOperand::memory(packed.zeroPoints, packed.manyZeroPoints ? many : one)});
}

std::unique_ptr<Step> bindQuantize(const Quantize& a, const BindContext& c, const Device& device) {
  bool isSigned = a.to == DataType::kInt8;
  MapFunction function;
  function.defines = {{"FUNCTION(x, inverse, zero)", "(V0)quantized(x, inverse, zero)"}};
  function.alpha = isSigned ? -128 : 0;
  function.beta = isSigned ? 127 : 255;
  return bindQuantization(c, device, a.axis, function);
}

std::unique_ptr<Step> bindDequantize(const Dequantize& a, const BindContext& c,
                                     const Device& device) {
  MapFunction function;
  function.defines = {{"FUNCTION(q, scale, zero)", "dequantized(q, scale, zero)"}};
  return bindQuantization(c, device, a.axis, function);
}

struct PackedConvolution {
  cl::Buffer weights, scales, bias;
  QuantizedConvolution layer;  ///< what scales and bias belong to
};

std::shared_ptr<const void> packQuantizedConvolution(const QuantizedConvolution& a,
                                                     const Node& node, const Device& device) {
  auto outputs = static_cast<std::size_t>(a.convolution.outputs);
  auto taps = static_cast<std::size_t>(a.convolution.kernel.volume());
  std::size_t inputs = static_cast<std::size_t>(node.weights[0].count) / (outputs * taps);
  const auto* kernel = node.weights[0].as<std::int8_t>();
  std::vector<std::int8_t> byTap(outputs * taps * inputs);
  for (std::size_t o = 0; o < outputs; ++o)
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t t = 0; t < taps; ++t)
        byTap[(o * taps + t) * inputs + i] = kernel[(o * inputs + i) * taps + t];
  FoldedQuantization folded = foldedQuantization(node);
  return std::make_shared<PackedConvolution>(
      PackedConvolution{device.upload(byTap, node.name), device.upload(folded.scales, node.name),
                        device.upload(folded.bias, node.name), folded.layer});
}

/// What kernels/quantized_conv.cl takes by value.
struct QuantizedArgument {
  cl_int groupInputs, groupOutputs, zero, outputZero, residualZero, channelsLast, total;
  cl_float inverse, residualScale;
};

std::unique_ptr<Step> bindQuantizedConvolution(const QuantizedConvolution&, const BindContext& c,
                                               const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return std::make_unique<ClStep>();
  const auto& packed = *static_cast<const PackedConvolution*>(c.packed.get());
  const QuantizedConvolution& a = packed.layer;
  const Convolution& geometry = a.convolution;
  ActivationFunction activation;
  if (a.activated) activation = activationFunction(a.activation);
  ProgramSource source{.file = "quantized_conv.cl", .options = exactDivision(device)};
  source.define("ACTIVATION", activation.name);
  if (out.type == DataType::kFloat32) source.define("FLOAT_OUTPUT", "1");
  std::vector<DataType> types{out.type, in.type};
  std::vector<Argument> arguments{Argument::view(out), Argument::view(in),
                                  Argument::memory(packed.weights), Argument::memory(packed.scales),
                                  Argument::memory(packed.bias)};
  if (a.residual != ResidualOrder::kNoResidual) {
    const BufferView& residual = c.inputs[1];
    types.push_back(residual.type);
    source.define("RESIDUAL", a.residual == ResidualOrder::kBeforeActivation ? 1 : 2);
    if (residual.type == DataType::kFloat32) source.define("FLOAT_RESIDUAL", "1");
    arguments.push_back(Argument::view(residual));
    arguments.push_back(Argument::value(ViewStrides(residual)));
  }
  defineTypes(source, types);
  QuantizedArgument q{};
  q.groupInputs = toInt(in.dims[1] / geometry.groups);
  q.groupOutputs = toInt(geometry.outputs / geometry.groups);
  q.zero = toInt(a.inputZeroPoint), q.outputZero = toInt(a.outputZeroPoint);
  q.residualZero = toInt(a.residualZeroPoint);
  q.channelsLast = channelsInnermost(out);
  q.total = toInt(out.dims.volume());
  q.inverse = 1 / static_cast<float>(a.outputScale);
  q.residualScale = static_cast<float>(a.residualScale);
  arguments.push_back(
      Argument::value(WindowArgument(Window3(resolveWindow(geometry, in.dims), in.dims), out)));
  arguments.push_back(Argument::value(ViewStrides(out)));
  arguments.push_back(Argument::value(ViewStrides(in)));
  arguments.push_back(Argument::value(q));
  arguments.push_back(Argument::real(activation.alpha));
  arguments.push_back(Argument::real(activation.beta));
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(q.total, device.program(source), "quantized_conv", std::move(arguments))});
}

double flops(const QuantizedConvolution& a, const NodeInfo& info) {
  return 2 * static_cast<double>(info.outputs[0].dims.volume()) *
         static_cast<double>(info.inputs[0].dims[1] / a.convolution.groups *
                             a.convolution.kernel.volume());
}

template <class A>
bool takesAny(const A&, const NodeInfo&) {
  return true;
}

}  // namespace
}  // namespace opencl

void registerTactic_quantized(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Quantize>(
      registry, {.takes = takesAny<Quantize>,
                 .flopsPerOutput = 2,
                 .channelsLast = true,
                 .half = false,
                 .pack = [](const Quantize&, const Node& node,
                            const Device& device) { return packQuantization(node, device, true); },
                 .bind = bindQuantize});
  addPortable<Dequantize>(
      registry, {.takes = takesAny<Dequantize>,
                 .flopsPerOutput = 2,
                 .channelsLast = true,
                 .half = false,
                 .pack = [](const Dequantize&, const Node& node,
                            const Device& device) { return packQuantization(node, device, false); },
                 .bind = bindDequantize});
  addPortable<QuantizedConvolution>(registry, {.takes = takesAny<QuantizedConvolution>,
                                               .flops = flops,
                                               .channelsLast = true,
                                               .oneByOne = true,
                                               .half = false,
                                               .pack = packQuantizedConvolution,
                                               .bind = bindQuantizedConvolution});
}

}  // namespace layerwise
