#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

/// The product of the sizes from `axis` on.
std::int64_t flattened(const Dims& in, int axis) {
  Dims tail;
  for (int i = axis; i < in.rank(); ++i) tail.append(in[i]);
  return tail.volume();
}

std::vector<TensorInfo> infer(const FullyConnected& a, const ShapeContext& c) {
  c.expectFloat();
  int axis = c.axis(a.axis, c.dims().rank());
  if (a.outputs < 1) c.fail("outputs {} must be at least 1", a.outputs);
  c.expectWeights(0, "kernel", {a.outputs, flattened(c.dims(), axis)});
  c.expectWeights(1, "bias", {a.outputs}, true);
  Dims out;
  for (int i = 0; i < axis; ++i) out.append(c.dims()[i]);
  out.append(a.outputs);
  return {{c.type(), out}};
}

void reference(const FullyConnected& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  std::int64_t depth = flattened(in, static_cast<int>(a.axis < 0 ? a.axis + in.rank() : a.axis));
  const double* x = c.inputs[0].values.data();
  double* y = c.outputs[0].values.data();
  double* end = y + c.outputs[0].values.size();
  for (; y != end; x += depth) {
    const double* w = c.weights[0].values.data();
    for (std::int64_t o = 0; o < a.outputs; ++o, w += depth) {
      double sum =
          c.weights[1].values.empty() ? 0 : c.weights[1].values[static_cast<std::size_t>(o)];
      for (std::int64_t i = 0; i < depth; ++i) sum += w[i] * x[i];
      *y++ = sum;
    }
  }
}

bool imageByImage(const FullyConnected& a, std::span<const TensorInfo> inputs) {
  return !isFirstAxis(a.axis, inputs[0]);
}

}  // namespace

void registerLayer_fully_connected(LayerRegistry& registry) {
  registry.add<FullyConnected>({.weightRoles = {"kernel", "bias"},
                                .infer = infer,
                                .reference = reference,
                                .imageByImage = imageByImage});
}

}  // namespace layerwise
