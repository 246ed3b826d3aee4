#include <algorithm>
#include <cmath>
#include <numeric>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const TopK& a, const ShapeContext& c) {
  if (c.type() == DataType::kBool) c.fail("bool has no order");
  Dims out = c.dims();
  int axis = c.axis(a.axis, out.rank());
  if (a.k < 0 || a.k > out[axis])
    c.fail("k {} is not 0...{} (axis {} of {})", a.k, out[axis], axis, toString(out));
  out[axis] = a.k;
  return {{c.type(), out}, {DataType::kInt32, out}};
}

void reference(const TopK& a, const ReferenceContext& c) {
  const Dims& dims = c.inputs[0].info.dims;
  AxisSplit split(dims, static_cast<int>(a.axis < 0 ? a.axis + dims.rank() : a.axis));
  std::vector<std::int64_t> order(static_cast<std::size_t>(split.size));
  for (std::int64_t o = 0; o < split.outer; ++o)
    for (std::int64_t i = 0; i < split.inner; ++i) {
      const double* x = c.inputs[0].values.data() + o * split.size * split.inner + i;
      auto above = [&](double p, double q) {
        if (std::isnan(p) || std::isnan(q)) return std::isnan(p) && !std::isnan(q);
        return p > q;
      };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t p, std::int64_t q) {
        double first = x[p * split.inner], second = x[q * split.inner];
        return a.largest ? above(first, second) : above(second, first);
      });
      for (std::int64_t j = 0; j < a.k; ++j) {
        std::int64_t from = order[static_cast<std::size_t>(j)];
        auto to = static_cast<std::size_t>((o * a.k + j) * split.inner + i);
        c.outputs[0].values[to] = x[from * split.inner];
        c.outputs[1].values[to] = static_cast<double>(from);
      }
    }
}

}  // namespace

void registerLayer_topk(LayerRegistry& registry) {
  registry.add<TopK>({.infer = infer, .reference = reference, .outputs = 2});
}

}  // namespace layerwise
