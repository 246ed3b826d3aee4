#include <algorithm>
#include <cmath>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Lrn& a, const ShapeContext& c) {
  c.expectFloat();
  c.expectRank(0, 2, Dims::kMaxRank);
  if (a.window < 1 || a.window > kMaxSize)
    c.fail("window {} is outside 1...{}", a.window, kMaxSize);
  return {c.inputs[0].info};
}

void reference(const Lrn& a, const ReferenceContext& c) {
  AxisSplit split(c.inputs[0].info.dims, 1);
  for (std::int64_t n = 0; n < split.outer; ++n)
    for (std::int64_t channel = 0; channel < split.size; ++channel)
      for (std::int64_t i = 0; i < split.inner; ++i) {
        const double* x = c.inputs[0].values.data() + n * split.size * split.inner + i;
        std::int64_t first = std::max<std::int64_t>(0, channel - a.window / 2);
        std::int64_t last = std::min(split.size - 1, channel + (a.window - 1) / 2);
        double sum = 0;
        for (std::int64_t j = first; j <= last; ++j) sum += x[j * split.inner] * x[j * split.inner];
        double base = a.k + a.alpha / static_cast<double>(a.window) * sum;
        auto place = static_cast<std::size_t>((n * split.size + channel) * split.inner + i);
        c.outputs[0].values[place] = x[channel * split.inner] / std::pow(base, a.beta);
      }
}

}  // namespace

void registerLayer_lrn(LayerRegistry& registry) {
  registry.add<Lrn>(
      {.infer = infer, .reference = reference, .imageByImage = alwaysImageByImage<Lrn>});
}

}  // namespace layerwise
