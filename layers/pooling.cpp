#include <algorithm>
#include <limits>

#include "layers/layer_kind.h"
#include "layers/spatial.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Pooling& a, const ShapeContext& c) {
  bool eightBits = c.type() == DataType::kInt8 || c.type() == DataType::kUInt8;
  if (!eightBits || a.type != PoolingType::kMax) c.expectFloat();
  SpatialWindow window = resolveWindow(a, c.dims());
  Dims out{c.dims()[0], c.dims()[1]};
  for (std::int64_t size : window.output) out.append(size);
  return {{c.type(), out}};
}

void reference(const Pooling& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  Window3 w(resolveWindow(a, in), in);
  const double* x = c.inputs[0].values.data();
  double* y = c.outputs[0].values.data();
  for (std::int64_t plane = 0; plane < in[0] * in[1]; ++plane, x += w.in[0] * w.in[1] * w.in[2])
    for (std::int64_t oz = 0; oz < w.out[0]; ++oz)
      for (std::int64_t oy = 0; oy < w.out[1]; ++oy)
        for (std::int64_t ox = 0; ox < w.out[2]; ++ox) {
          std::int64_t at[3] = {oz, oy, ox}, begin[3], end[3], padded = 1;
          for (int i = 0; i < 3; ++i) {
            std::int64_t start = at[i] * w.stride[i] - w.pad[i];
            std::int64_t stop = std::min(start + w.kernel[i], w.in[i] + w.postPad[i]);
            padded *= stop - start;
            begin[i] = std::max<std::int64_t>(start, 0);
            end[i] = std::min(stop, w.in[i]);
          }
          double sum = 0, top = -std::numeric_limits<double>::infinity();
          std::int64_t count = 0;
          for (std::int64_t z = begin[0]; z < end[0]; ++z)
            for (std::int64_t r = begin[1]; r < end[1]; ++r)
              for (std::int64_t s = begin[2]; s < end[2]; ++s, ++count) {
                double value = x[(z * w.in[1] + r) * w.in[2] + s];
                sum += value;
                top = std::max(top, value);
              }
          if (a.averageCountsPadding) count = padded;
          *y++ = a.type == PoolingType::kMax ? top : sum / static_cast<double>(count);
        }
}

}  // namespace

void registerLayer_pooling(LayerRegistry& registry) {
  registry.add<Pooling>(
      {.infer = infer, .reference = reference, .imageByImage = alwaysImageByImage<Pooling>});
}

}  // namespace layerwise
