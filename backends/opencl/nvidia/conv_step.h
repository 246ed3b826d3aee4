#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/conv.h"
#include "backends/opencl/step.h"
#include "layers/quantized_convolution.h"

namespace layerwise::opencl {

/// A tensor of images as the convolution addresses it.
struct ConvTensor {
  BufferView view;
  std::int64_t image = 0, row = 0, pixel = 0, channel = 1;  ///< strides in elements
};

/// What the tensors of such a convolution are kept in.
DataType convType(ConvMath math);
/// A view's strides, of images in channels-last layout or any other, or of single pixels.
ConvTensor convTensor(const BufferView& view);
/// Whether so many bytes at any pixel and any channel that is a multiple of so many may be accessed
/// at once.
bool isAligned(const ConvTensor& tensor, std::int64_t bytes);
/// Whether pixels 2n and 2n + 1 of a row lie side by side, such that both may be read at once.
bool holdsPairs(const ConvTensor& tensor);

/// An activation as the kernels' ACTIVATE, and its numbers: few forms, so that few programs serve a
/// network.
struct ActivationText {
  std::string text = "leastOf(mostOf(x, alpha), beta)";
  float alpha = -std::numeric_limits<float>::infinity();
  float beta = std::numeric_limits<float>::infinity();
};
/// Of none, where there is none.
ActivationText activationText(const Activation* activation, bool shortOutput);

/// A convolution over an input of these dimensions; none where it has groups or more than two
/// spatial axes. Throws Error naming the attribute.
std::optional<ConvProblem> convProblem(const Convolution& attributes, const Dims& input);
/// What packing depends on, where the weights are so many.
ConvProblem convWeightProblem(const Convolution& attributes, std::int64_t weights);

/// Weights on the device, in the form that a tile's kernel reads, and what it needs to know of
/// output channels.
struct PackedConv {
  cl::Buffer weights, constants;
  QuantizedConvolution layer;  ///< of bytes: what scales and biases belong to
};
/// Packed weights in the kernel's arithmetic: half, TF32 or float32.
cl::Buffer uploadWeights(const Device& device, ConvMath math, std::vector<float> packed);
std::shared_ptr<const PackedConv> uploadConv(const Device& device, const ConvTile& tile,
                                             const ConvProblem& problem,
                                             const std::vector<float>& weights,
                                             const std::vector<float>& bias);
/// Of bytes.
std::shared_ptr<const PackedConv> uploadQuantizedConv(const Device& device, const ConvTile& tile,
                                                      const ConvProblem& problem,
                                                      const std::vector<float>& weights,
                                                      const FoldedQuantization& folded);

struct ConvBinding {
  ConvCut cut;
  ConvProblem problem;
  ConvTensor in, out, residual;
  int residualPlace = 0;                   ///< 0: none, 1: before the activation, 2: after it
  const Activation* activation = nullptr;  ///< nullptr: none
  float inverse = 0,
        zero = 0;  ///< of an input in float32 that becomes bytes: 1 / scale, zero point
};

/// The launches of a convolution: the input brought into chunks where it is not, then the product.
std::unique_ptr<Step> bindNvidiaConv(const Device& device, const ConvBinding& binding,
                                     const PackedConv& packed);

/// The cuts of a family that a tactic offers, with their times, and its name.
std::vector<std::pair<ConvCut, double>> convCutsToTry(const Device& device,
                                                      const ConvFamily& family,
                                                      const ConvProblem& problem);
std::string convName(const ConvFamily& family);
/// Whether a network's pictures are offered as they come, in planes: the launch that brings them
/// into chunks reads any layout.
inline bool readsPlanes(const ConvProblem& p) {
  return p.inChannels <= 4 && p.inWidth > 1;
}
/// The estimated time of that launch; 0 where none is needed.
double convGatherSeconds(const ConvProblem& problem, const ConvFamily& family);

/// Whether the kernels compile and compute what they should on this device. Not known of any other
/// device than NVIDIA's from compute capability 8.0, for warpgroups of 9.0, and of those that
/// emulate the tensor cores (Capabilities::emulatesPtx), for warps and over patches.
bool nvidiaConvWorks(const Device& device, const ConvFamily& family);

}  // namespace layerwise::opencl
