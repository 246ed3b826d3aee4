#include <algorithm>
#include <cmath>
#include <type_traits>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

template <class T>
struct Entry {
  T value;
  std::int32_t index;
};

/// Descending, NaN above all; equal values by their index.
template <class T>
bool isAbove(const Entry<T>& a, const Entry<T>& b) {
  if constexpr (std::is_floating_point_v<T>) {
    bool nanA = std::isnan(a.value), nanB = std::isnan(b.value);
    if (nanA || nanB) return nanA != nanB ? nanA : a.index < b.index;
  }
  return a.value != b.value ? a.value > b.value : a.index < b.index;
}

template <class T>
bool isBelow(const Entry<T>& a, const Entry<T>& b) {
  if constexpr (std::is_floating_point_v<T>) {
    bool nanA = std::isnan(a.value), nanB = std::isnan(b.value);
    if (nanA || nanB) return nanA != nanB ? nanB : a.index < b.index;
  }
  return a.value != b.value ? a.value < b.value : a.index < b.index;
}

template <class T>
std::unique_ptr<Step> bindTyped(const TopK& a, const BindContext& c) {
  BufferView in = c.inputs[0], values = c.outputs[0], indices = c.outputs[1];
  int rank = in.dims.rank(), axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  std::vector<LoopNest<3>::Loop> kept;
  for (int i = 0; i < rank; ++i)
    if (i != axis)
      kept.push_back({in.dims[i], {values.strides[i], in.strides[i], indices.strides[i]}});
  std::int64_t size = in.dims[axis], k = a.k;
  LoopNest<3> lines(std::move(kept), 1, std::max<std::int64_t>(1, 4096 / (size + 1)));
  bool largest = a.largest;
  return makeStep(
      k == 0 ? 0 : lines.tiles(),
      [=](std::int64_t tile, const Worker& worker) {
        const T* x = worker.data<T>(in);
        T* top = worker.data<T>(values);
        auto* where = worker.data<std::int32_t>(indices);
        auto* entries = reinterpret_cast<Entry<T>*>(worker.scratch);
        lines.run(tile, [&](const auto& at, std::int64_t) {
          for (std::int64_t i = 0; i < size; ++i)
            entries[i] = {x[at[1] + i * in.strides[axis]], static_cast<std::int32_t>(i)};
          std::partial_sort(entries, entries + k, entries + size,
                            largest ? isAbove<T> : isBelow<T>);
          for (std::int64_t i = 0; i < k; ++i) {
            top[at[0] + i * values.strides[axis]] = entries[i].value;
            where[at[2] + i * indices.strides[axis]] = entries[i].index;
          }
        });
      },
      static_cast<std::size_t>(size) * sizeof(Entry<T>));
}

std::unique_ptr<Step> bindTopK(const TopK& a, const BindContext& c) {
  switch (c.inputs[0].type) {
    case DataType::kInt32:
      return bindTyped<std::int32_t>(a, c);
    case DataType::kInt64:
      return bindTyped<std::int64_t>(a, c);
    default:
      return bindTyped<float>(a, c);
  }
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_topk(cpu::TacticRegistry& registry) {
  cpu::addPortable<TopK>(
      registry, {.takes = [](const TopK&, const NodeInfo& info) { return allCommonTypes(info); },
                 .flops =
                     [](const TopK&, const NodeInfo& info) {
                       return 10 * static_cast<double>(info.inputs[0].dims.volume());
                     },
                 .bind = cpu::bindTopK});
}

}  // namespace layerwise
