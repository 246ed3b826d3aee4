#include "layers/convolution_shape.h"

namespace layerwise {
namespace {

void expectGroups(const ConvolutionGeometry& a, const ShapeContext& c) {
  std::int64_t channels = c.dims()[1];
  if (a.outputs < 1 || a.groups < 1)
    c.fail("outputs {} and groups {} must be at least 1", a.outputs, a.groups);
  if (channels % a.groups || a.outputs % a.groups)
    c.fail("{} groups do not divide {} input channels and {} outputs", a.groups, channels,
           a.outputs);
}

Dims followedBy(Dims dims, const Dims& spatial) {
  for (std::int64_t size : spatial) dims.append(size);
  return dims;
}

}  // namespace

Dims kernelDims(const Convolution& a, const ShapeContext& c) {
  expectGroups(a, c);
  return followedBy({a.outputs, c.dims()[1] / a.groups}, a.kernel);
}

Dims kernelDims(const Deconvolution& a, const ShapeContext& c) {
  expectGroups(a, c);
  return followedBy({c.dims()[1], a.outputs / a.groups}, a.kernel);
}

Dims convolvedDims(const ConvolutionGeometry& a, const SpatialWindow& window,
                   const ShapeContext& c) {
  return followedBy({c.dims()[0], a.outputs}, window.output);
}

}  // namespace layerwise
