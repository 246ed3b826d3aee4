#pragma once

#include "tests/layer_cases/quantized.h"

/// Cases of convolutions with maximum pooling behind them.
namespace layerwise::test {

/// The case with the pooling of its result behind it.
inline LayerCase withMaximumPooling(Random& r, LayerCase made) {
  Network network;  // tells the result's shape
  std::vector<Tensor*> inputs;
  for (std::size_t i = 0; i < made.inputs.size(); ++i)
    inputs.push_back(
        &network.addInput("x" + std::to_string(i), made.inputs[i].type, made.inputs[i].dims));
  const Dims dims = made.define(network, inputs)[0]->dims();
  Pooling a{.type = PoolingType::kMax};
  for (int axis = 2; axis < dims.rank(); ++axis) {
    a.window.append(r.pick(1, std::min<std::int64_t>(4, dims[axis])));
    a.stride.append(r.pick(1, 3));
    a.prePadding.append(r.pick(0, a.window[axis - 2] - 1));
    a.postPadding.append(r.pick(0, a.window[axis - 2] - 1));
  }
  if (r.chance(0.3)) a.paddingMode = PaddingMode::kExplicitRoundUp;
  const auto before = [=](auto define) {
    return [=](Network& n, const std::vector<Tensor*>& in) {
      return std::vector<Tensor*>{&n.add(a, {define(n, in)[0]}).output()};
    };
  };
  made.define = before(made.define);
  if (made.unrounded) made.unrounded = before(made.unrounded);
  return made;
}

inline LayerCase convolutionPoolingCase(Random& r, int index) {
  return withMaximumPooling(r, index % 3 == 0   ? pictureCase(r, index)
                               : index % 3 == 1 ? convolutionActivationCase(r, index)
                                                : convolutionAddCase(r, index));
}

inline LayerCase quantizedConvolutionPoolingCase(Random& r, int index) {
  Channels channels(r);
  if (index % 3 == 0) channels.in = r.pick(1, 4), channels.groups = 1;
  const Dims dims = imageDims(r, channels.in, index % 3 == 1 ? static_cast<int>(r.pick(1, 2)) : 2);
  return withMaximumPooling(r, quantizedCase(r, index, randomConvolution(r, channels, dims), dims));
}

}  // namespace layerwise::test
