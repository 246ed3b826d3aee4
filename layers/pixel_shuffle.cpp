#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const PixelShuffle& a, const ShapeContext& c) {
  c.expectRank(0, 4, 4);
  constexpr std::int64_t kMaxFactor = 1 << 16;
  if (a.factor < 1 || a.factor > kMaxFactor)
    c.fail("factor {} is outside 1...{}", a.factor, kMaxFactor);
  const Dims& in = c.dims();
  std::int64_t r = a.factor;
  if (a.inverse) {
    if (in[2] % r || in[3] % r)
      c.fail("factor {} does not divide the height and width of {}", r, toString(in));
    return {{c.type(), {in[0], in[1] * r * r, in[2] / r, in[3] / r}}};
  }
  if (in[1] % (r * r)) c.fail("factor {} squared does not divide {} channels", r, in[1]);
  return {{c.type(), {in[0], in[1] / (r * r), in[2] * r, in[3] * r}}};
}

void reference(const PixelShuffle& a, const ReferenceContext& c) {
  const Dims& large = a.inverse ? c.inputs[0].info.dims : c.outputs[0].info.dims;
  Dims small = rowMajorStrides(a.inverse ? c.outputs[0].info.dims : c.inputs[0].info.dims);
  std::int64_t r = a.factor;
  std::size_t i = 0;
  forEachIndex(large, [&](const Dims& at) {
    std::int64_t channel = (at[1] * r + at[2] % r) * r + at[3] % r;
    auto j = static_cast<std::size_t>(offsetOf({at[0], channel, at[2] / r, at[3] / r}, small));
    if (a.inverse)
      c.outputs[0].values[j] = c.inputs[0].values[i++];
    else
      c.outputs[0].values[i++] = c.inputs[0].values[j];
  });
}

}  // namespace

void registerLayer_pixel_shuffle(LayerRegistry& registry) {
  registry.add<PixelShuffle>(
      {.infer = infer, .reference = reference, .imageByImage = alwaysImageByImage<PixelShuffle>});
}

}  // namespace layerwise
