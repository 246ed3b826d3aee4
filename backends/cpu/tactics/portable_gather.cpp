#include <cstring>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

/// What all three modes come down to: at each place of an index space, a tuple of indices names
/// where in the data a slice begins, and the slice is copied.
struct GatherPlan {
  /// Operands: output, indices, data (batch axes only).
  std::vector<LoopNest<3>::Loop> places;
  struct Lookup {
    std::int64_t indexStride, size, dataStride;
  };
  std::vector<Lookup> tuple;
  std::vector<LoopNest<2>::Loop> slice;  ///< operands: output, data
};

GatherPlan planGather(const Gather& a, const BufferView& data, const BufferView& indices,
                      const BufferView& out) {
  GatherPlan plan;
  int rank = data.dims.rank(), indexRank = indices.dims.rank();
  int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  switch (a.mode) {
    case GatherMode::kDefault:
      for (int i = 0; i < indexRank; ++i)
        plan.places.push_back({indices.dims[i], {out.strides[axis + i], indices.strides[i], 0}});
      plan.tuple = {{0, data.dims[axis], data.strides[axis]}};
      for (int i = 0; i < rank; ++i)
        if (i != axis)
          plan.slice.push_back(
              {data.dims[i], {out.strides[i < axis ? i : i + indexRank - 1], data.strides[i]}});
      break;
    case GatherMode::kElements:
      for (int i = 0; i < rank; ++i)
        plan.places.push_back(
            {indices.dims[i],
             {out.strides[i], indices.strides[i], i == axis ? 0 : data.strides[i]}});
      plan.tuple = {{0, data.dims[axis], data.strides[axis]}};
      break;
    case GatherMode::kNd: {
      auto batch = static_cast<int>(a.batchAxes);
      auto depth = static_cast<int>(indices.dims[indexRank - 1]);
      for (int i = 0; i < indexRank - 1; ++i)
        plan.places.push_back(
            {indices.dims[i],
             {out.strides[i], indices.strides[i], i < batch ? data.strides[i] : 0}});
      for (int i = 0; i < depth; ++i)
        plan.tuple.push_back(
            {i * indices.strides[indexRank - 1], data.dims[batch + i], data.strides[batch + i]});
      for (int i = batch + depth; i < rank; ++i)
        plan.slice.push_back(
            {data.dims[i], {out.strides[indexRank - 1 + i - batch - depth], data.strides[i]}});
      break;
    }
  }
  return plan;
}

template <class T, class Index>
std::unique_ptr<Step> bindTyped(const Gather& a, const BindContext& c) {
  BufferView data = c.inputs[0], indices = c.inputs[1], out = c.outputs[0];
  GatherPlan plan = planGather(a, data, indices, out);
  std::int64_t sliceSize = 1;
  for (const auto& loop : plan.slice) sliceSize *= loop.count;
  constexpr std::int64_t kTile = 16384;
  LoopNest<2> slice(plan.slice);
  LoopNest<3> places(plan.places, 4096,
                     std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(1, sliceSize)));
  std::string name = c.graph.node(c.candidate.nodes[0]).name;
  return makeStep(
      slice.tiles() == 0 ? 0 : places.tiles(),
      [=, tuple = plan.tuple](std::int64_t tile, const Worker& worker) {
        const T* x = worker.data<T>(data);
        const Index* where = worker.data<Index>(indices);
        T* y = worker.data<T>(out);
        auto step = places.runStrides();
        auto sliceStep = slice.runStrides();
        places.run(tile, [&](const auto& at, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) {
            std::int64_t source = at[2] + i * step[2];
            for (const auto& lookup : tuple) {
              auto index =
                  static_cast<std::int64_t>(where[at[1] + i * step[1] + lookup.indexStride]);
              if (index < -lookup.size || index >= lookup.size)
                throw Error(ErrorCode::kInvalidArgument,
                            fmt::format("[gather {}] index {} is outside {}...{}", name, index,
                                        -lookup.size, lookup.size - 1));
              source += (index < 0 ? index + lookup.size : index) * lookup.dataStride;
            }
            T* to = y + at[0] + i * step[0];
            slice.runAll([&](const auto& place, std::int64_t run) {
              for (std::int64_t j = 0; j < run; ++j)
                to[place[0] + j * sliceStep[0]] = x[source + place[1] + j * sliceStep[1]];
            });
          }
        });
      });
}

std::unique_ptr<Step> bindGather(const Gather& a, const BindContext& c) {
  auto withIndex = [&](auto zero) -> std::unique_ptr<Step> {
    using T = decltype(zero);
    if (c.inputs[1].type == DataType::kInt32) return bindTyped<T, std::int32_t>(a, c);
    return bindTyped<T, std::int64_t>(a, c);
  };
  switch (sizeOf(c.inputs[0].type)) {
    case 1:
      return withIndex(std::uint8_t{});
    case 2:
      return withIndex(std::uint16_t{});
    case 4:
      return withIndex(std::uint32_t{});
    default:
      return withIndex(std::uint64_t{});
  }
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_gather(cpu::TacticRegistry& registry) {
  cpu::addPortable<Gather>(registry, {.takes = [](const Gather&, const NodeInfo&) { return true; },
                                      .flopsPerOutput = 1,
                                      .bind = cpu::bindGather});
}

}  // namespace layerwise
