#include "backends/shared/reduction_loops.h"

#include <array>

#include "backends/shared/node_info.h"
#include "layers/reduced_axes.h"

namespace layerwise {

ReductionLoops reductionLoops(const Reduce& a, const BufferView& in, const BufferView& out) {
  auto reduced = reducedAxes(a.axes, in.dims.rank());
  ReductionLoops loops;
  int outAxis = 0;
  for (int i = 0; i < in.dims.rank(); ++i) {
    if (reduced[static_cast<std::size_t>(i)]) {
      loops.terms.push_back({in.dims[i], {in.strides[i]}});
      outAxis += a.keepDimensions;
    } else {
      loops.kept.push_back({in.dims[i], {out.strides[outAxis++], in.strides[i]}});
    }
  }
  return loops;
}

NormalizationLoops normalizationLoops(const Normalization& a, const BindContext& c) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  Dims none = Dims::filled(in.dims.rank(), 0);
  Dims scale = c.inputs.size() > 1 ? broadcastStrides(c.inputs[1], in.dims) : none;
  Dims bias = c.inputs.size() > 2 ? broadcastStrides(c.inputs[2], in.dims) : none;
  std::array<bool, Dims::kMaxRank> reduced{};
  if (a.groups == 1) reduced = reducedAxes(a.axes, in.dims.rank());
  NormalizationLoops loops;
  for (int i = 0; i < in.dims.rank(); ++i) {
    Loop<4> loop{in.dims[i], {out.strides[i], in.strides[i], scale[i], bias[i]}};
    bool inSet = a.groups == 1 ? reduced[static_cast<std::size_t>(i)] : i > 0;
    if (a.groups > 1 && i == 1) {
      Loop<4> groups = loop;
      loop.count /= a.groups;
      groups.count = a.groups;
      for (std::int64_t& stride : groups.strides) stride *= loop.count;
      loops.sets.push_back(groups);
    }
    (inSet ? loops.elements : loops.sets).push_back(loop);
  }
  return loops;
}

}  // namespace layerwise
