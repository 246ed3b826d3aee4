#include <cstring>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/gather_plan.h"

namespace layerwise {
namespace cpu {
namespace {

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
