#include "layers/padding_window.h"

#include <algorithm>

#include "layers/index_space.h"

namespace layerwise {

PaddingWindow resolvePadding(const Padding& a, const Dims& input) {
  auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("pre {} and post {}: {} (input {})", toString(a.pre), toString(a.post),
                            message, toString(input)));
  };
  if (a.pre.rank() != a.post.rank() || a.pre.rank() > input.rank())
    fail("both need a number for each of the last axes");
  PaddingWindow w{Dims::filled(input.rank(), 0), Dims::filled(input.rank(), 0), input};
  for (int i = 0; i < a.pre.rank(); ++i) {
    int axis = input.rank() - a.pre.rank() + i;
    std::int64_t pre = a.pre[i], post = a.post[i], size = input[axis];
    if (std::min(pre, post) < -kMaxSize || std::max(pre, post) > kMaxSize) fail("too large");
    if (a.fill != PaddingFill::kConstant && (pre < 0 || post < 0))
      fail("only a constant fill can crop");
    if (a.fill == PaddingFill::kReflect && std::max(pre, post) >= std::max<std::int64_t>(size, 1))
      fail(fmt::format("axis {} is too small to reflect", axis));
    if (a.fill == PaddingFill::kEdge && size == 0 && pre + post > 0)
      fail(fmt::format("axis {} has no edge", axis));
    w.pre[axis] = pre;
    w.post[axis] = post;
    w.output[axis] = size + pre + post;
    if (w.output[axis] < 0) fail(fmt::format("nothing is left of axis {}", axis));
  }
  return w;
}

namespace {

std::vector<TensorInfo> infer(const Padding& a, const ShapeContext& c) {
  return {{c.type(), resolvePadding(a, c.dims()).output}};
}

void reference(const Padding& a, const ReferenceContext& c) {
  const ReferenceTensor& in = c.inputs[0];
  PaddingWindow w = resolvePadding(a, in.info.dims);
  Dims strides = rowMajorStrides(in.info.dims);
  ReferenceTensor fill({in.info.type, {1}});
  fill.values[0] = a.value;
  fill.round();
  double* y = c.outputs[0].values.data();
  forEachIndex(w.output, [&](const Dims& index) {
    std::int64_t offset = 0;
    bool inside = true;
    for (int axis = 0; axis < index.rank(); ++axis) {
      std::int64_t at = index[axis] - w.pre[axis], last = in.info.dims[axis] - 1;
      if (a.fill == PaddingFill::kReflect) at = at < 0 ? -at : at > last ? 2 * last - at : at;
      if (a.fill == PaddingFill::kEdge) at = std::clamp<std::int64_t>(at, 0, last);
      inside = inside && at >= 0 && at <= last;
      offset += at * strides[axis];
    }
    *y++ = inside ? in.values[static_cast<std::size_t>(offset)] : fill.values[0];
  });
}

bool imageByImage(const Padding& a, std::span<const TensorInfo> inputs) {
  return a.pre.rank() < inputs[0].dims.rank() || (a.pre[0] == 0 && a.post[0] == 0);
}

}  // namespace

void registerLayer_padding(LayerRegistry& registry) {
  registry.add<Padding>({.infer = infer, .reference = reference, .imageByImage = imageByImage});
}

}  // namespace layerwise
