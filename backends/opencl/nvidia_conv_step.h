#pragma once

#include <memory>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia_conv.h"
#include "backends/opencl/step.h"
#include "layerwise/layers.h"

namespace layerwise::opencl {

/// A tensor of images as the convolution addresses it.
struct ConvTensor {
  BufferView view;
  std::int64_t image = 0, row = 0, pixel = 0, channel = 1;  ///< strides in elements
};

/// Weights and bias on the device, in the form that a tile's kernel reads.
struct PackedConv {
  cl::Buffer weights, bias;
};
std::shared_ptr<const PackedConv> uploadConv(const Device& device, const ConvTile& tile,
                                             const ConvProblem& problem,
                                             const std::vector<float>& weights,
                                             const std::vector<float>& bias);

struct ConvBinding {
  ConvCut cut;
  ConvProblem problem;
  ConvTensor in, out, residual;
  int residualPlace = 0;                   ///< 0: none, 1: before the activation, 2: after it
  const Activation* activation = nullptr;  ///< nullptr: none
};

/// The launches of a convolution: the input brought into chunks where it is not, then the product.
std::unique_ptr<Step> bindNvidiaConv(const Device& device, const ConvBinding& binding,
                                     const PackedConv& packed);

/// Whether the kernels compile and compute what they should on this device. Not known of any other
/// device than NVIDIA's from compute capability 8.0, and for warpgroups of 9.0.
bool nvidiaConvWorks(const Device& device, const ConvFamily& family);

}  // namespace layerwise::opencl
