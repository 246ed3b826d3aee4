#pragma once

#include <vector>

#include "layers/layer_kind.h"
#include "layers/spatial.h"

/// What the shape rules of convolutions share.
namespace layerwise {

/// The kernel's shape: outputs x C/groups x kernel. Throws where outputs and groups do not fit the
/// input's channels.
Dims kernelDims(const Convolution& attributes, const ShapeContext& context);
/// The kernel's shape: C x outputs/groups x kernel.
Dims kernelDims(const Deconvolution& attributes, const ShapeContext& context);

/// The output's shape: N x outputs x window.output.
Dims convolvedDims(const ConvolutionGeometry& attributes, const SpatialWindow& window,
                   const ShapeContext& context);

/// The whole rule in floating point, a kernel and an optional bias being the weights.
template <class A>
std::vector<TensorInfo> inferConvolution(const A& attributes, const ShapeContext& context) {
  context.expectFloat();
  SpatialWindow window = resolveWindow(attributes, context.dims());
  context.expectWeights(0, "kernel", kernelDims(attributes, context));
  context.expectWeights(1, "bias", {attributes.outputs}, true);
  return {{context.type(), convolvedDims(attributes, window, context)}};
}

}  // namespace layerwise
