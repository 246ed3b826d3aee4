#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Softmax& a, const ShapeContext& c) {
  c.expectFloat();
  c.axis(a.axis, c.dims().rank());
  return {c.inputs[0].info};
}

void reference(const Softmax& a, const ReferenceContext& c) {
  const Dims& dims = c.inputs[0].info.dims;
  AxisSplit split(dims, static_cast<int>(a.axis < 0 ? a.axis + dims.rank() : a.axis));
  for (std::int64_t o = 0; o < split.outer; ++o)
    for (std::int64_t i = 0; i < split.inner; ++i) {
      std::int64_t first = o * split.size * split.inner + i;
      const double* x = c.inputs[0].values.data() + first;
      double* y = c.outputs[0].values.data() + first;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (std::int64_t j = 0; j < split.size; ++j) top = std::max(top, x[j * split.inner]);
      for (std::int64_t j = 0; j < split.size; ++j)
        sum += y[j * split.inner] = std::exp(x[j * split.inner] - top);
      for (std::int64_t j = 0; j < split.size; ++j) y[j * split.inner] /= sum;
    }
}

bool imageByImage(const Softmax& a, std::span<const TensorInfo> inputs) {
  return !isFirstAxis(a.axis, inputs[0]);
}

}  // namespace

void registerLayer_softmax(LayerRegistry& registry) {
  registry.add<Softmax>({.infer = infer, .reference = reference, .imageByImage = imageByImage});
}

}  // namespace layerwise
