#include "backends/cpu/reformat.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tensor_view.h"
#include "layers/float16.h"
#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

/// One loop over an axis.
struct Loop {
  std::int64_t count, from, to;  ///< strides in elements
};

template <class T>
void copyPlane(const T* from, T* to, const Loop& outer, const Loop& inner) {
  if (inner.from == 1 && inner.to == 1) {
    for (std::int64_t i = 0; i < outer.count; ++i)
      std::memcpy(to + i * outer.to, from + i * outer.from,
                  static_cast<std::size_t>(inner.count) * sizeof(T));
    return;
  }
  // A transposition: blocks keep the lines of both sides in the cache.
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t i0 = 0; i0 < outer.count; i0 += kBlock)
    for (std::int64_t j0 = 0; j0 < inner.count; j0 += kBlock) {
      std::int64_t iEnd = std::min(outer.count, i0 + kBlock),
                   jEnd = std::min(inner.count, j0 + kBlock);
      for (std::int64_t i = i0; i < iEnd; ++i)
        for (std::int64_t j = j0; j < jEnd; ++j)
          to[i * outer.to + j * inner.to] = from[i * outer.from + j * inner.from];
    }
}

float toFloat(DataType type, std::uint16_t value) {
  return type == DataType::kFloat16 ? halfToFloat(value) : bfloat16ToFloat(value);
}

std::uint16_t fromFloat(DataType type, float value) {
  return type == DataType::kFloat16 ? halfFromFloat(value) : bfloat16FromFloat(value);
}

void convertPlane(const std::byte* from, DataType fromType, std::byte* to, DataType toType,
                  const Loop& outer, const Loop& inner) {
  for (std::int64_t i = 0; i < outer.count; ++i)
    for (std::int64_t j = 0; j < inner.count; ++j) {
      std::int64_t source = i * outer.from + j * inner.from, target = i * outer.to + j * inner.to;
      float value = fromType == DataType::kFloat32
                        ? reinterpret_cast<const float*>(from)[source]
                        : toFloat(fromType, reinterpret_cast<const std::uint16_t*>(from)[source]);
      if (toType == DataType::kFloat32)
        reinterpret_cast<float*>(to)[target] = value;
      else
        reinterpret_cast<std::uint16_t*>(to)[target] = fromFloat(toType, value);
    }
}

class Reformat final : public CpuStep {
 public:
  Reformat(const BufferView& from, const BufferView& to) : from_(from), to_(to) {
    if (from.type != to.type && !(isFloat(from.type) && isFloat(to.type)))
      throw Error(ErrorCode::kInternal, fmt::format("[reformat] no conversion from {} to {}",
                                                    toString(from.type), toString(to.type)));
    for (int axis = 0; axis < from.dims.rank(); ++axis)
      if (from.dims[axis] != 1)
        loops_.push_back({from.dims[axis], from.strides[axis], to.strides[axis]});
    // The innermost loop writes consecutively; the one around it reads consecutively where some
    // axis does.
    std::stable_sort(loops_.begin(), loops_.end(),
                     [](const Loop& a, const Loop& b) { return a.to > b.to; });
    mergeLoops();
    if (loops_.size() > 2) {
      auto reader = std::min_element(loops_.begin(), loops_.end() - 1,
                                     [](const Loop& a, const Loop& b) { return a.from < b.from; });
      std::rotate(reader, reader + 1, loops_.end() - 1);
    }
    while (loops_.size() < 2) loops_.insert(loops_.begin(), {1, 0, 0});
    // One dense run is cut so that the workers share it.
    if (loops_.size() == 2 && loops_[0].count == 1 && loops_[1].count > 2 * kRun) {
      std::int64_t run = kRun;
      while (loops_[1].count % run) --run;
      if (run >= kRun / 8) {
        Loop whole = loops_[1];
        loops_ = {{whole.count / run, whole.from * run, whole.to * run},
                  {1, 0, 0},
                  {run, whole.from, whole.to}};
      }
    }
    empty_ = std::any_of(from.dims.begin(), from.dims.end(), [](std::int64_t d) { return d == 0; });
    if (loops_.size() == 2 && loops_[0].count > 1) {
      // The outer of two loops is cut in strips.
      Loop outer = loops_[0];
      std::int64_t strip = std::clamp<std::int64_t>(outer.count / 16, 1, 64);
      while (outer.count % strip) --strip;
      loops_.insert(loops_.begin(), {outer.count / strip, outer.from * strip, outer.to * strip});
      loops_[1].count = strip;
    }
    for (std::size_t i = 0; i + 2 < loops_.size(); ++i) tiles_ *= loops_[i].count;
  }

  std::int64_t tiles(int) const override { return empty_ ? 0 : tiles_; }

  void run(int, std::int64_t tile, const Worker& worker) const override {
    std::int64_t source = 0, target = 0;
    for (std::size_t i = loops_.size() - 2; i-- > 0;) {
      std::int64_t index = tile % loops_[i].count;
      tile /= loops_[i].count;
      source += index * loops_[i].from;
      target += index * loops_[i].to;
    }
    const Loop& outer = loops_[loops_.size() - 2];
    const Loop& inner = loops_.back();
    const std::byte* from = worker.data<const std::byte>(from_) +
                            source * static_cast<std::int64_t>(sizeOf(from_.type));
    std::byte* to =
        worker.data<std::byte>(to_) + target * static_cast<std::int64_t>(sizeOf(to_.type));
    if (from_.type != to_.type) {
      convertPlane(from, from_.type, to, to_.type, outer, inner);
      return;
    }
    switch (sizeOf(from_.type)) {
      case 1:
        copyPlane(reinterpret_cast<const std::uint8_t*>(from), reinterpret_cast<std::uint8_t*>(to),
                  outer, inner);
        break;
      case 2:
        copyPlane(reinterpret_cast<const std::uint16_t*>(from),
                  reinterpret_cast<std::uint16_t*>(to), outer, inner);
        break;
      case 4:
        copyPlane(reinterpret_cast<const std::uint32_t*>(from),
                  reinterpret_cast<std::uint32_t*>(to), outer, inner);
        break;
      default:
        copyPlane(reinterpret_cast<const std::uint64_t*>(from),
                  reinterpret_cast<std::uint64_t*>(to), outer, inner);
    }
  }

 private:
  static constexpr std::int64_t kRun = 1 << 14;

  /// Neighbouring loops that walk both sides like one become one.
  void mergeLoops() {
    for (std::size_t i = loops_.size(); i-- > 1;) {
      Loop &outer = loops_[i - 1], &inner = loops_[i];
      if (outer.from != inner.from * inner.count || outer.to != inner.to * inner.count) continue;
      outer = {outer.count * inner.count, inner.from, inner.to};
      loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  BufferView from_, to_;
  std::vector<Loop> loops_;  ///< the last two are run by one tile
  std::int64_t tiles_ = 1;
  bool empty_ = false;
};

std::optional<Element> elementOf(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return Element::kFloat32;
    case DataType::kBFloat16:
      return Element::kBFloat16;
    case DataType::kUInt8:
      return Element::kUInt8;
    default:
      return std::nullopt;
  }
}

/// Whether vectors run along channels or along the pixels of a row.
bool isVectorised(const View& view) {
  return view.channel == 1 || view.pixel == 1;
}

/// The plan of the vector kernel for images, where there is one.
std::optional<ConvertPlan> convertPlan(const BufferView& from, const BufferView& to) {
  std::optional<Element> source = elementOf(from.type), target = elementOf(to.type);
  if (!source || !target || from.dims.rank() < 3 || from.dims.rank() > 4) return std::nullopt;
  if ((*source == Element::kUInt8) != (*target == Element::kUInt8)) return std::nullopt;
  ConvertPlan plan;
  ImageSize size(from.dims);
  plan.n = size.n, plan.h = size.h, plan.w = size.w, plan.c = size.c;
  plan.in = viewOf(from), plan.out = viewOf(to);
  plan.from = *source, plan.to = *target;
  bool moves = plan.in.channel != plan.out.channel;
  // Plain copies of one type are as fast in larger runs.
  if (!moves && *source == *target) return std::nullopt;
  if (!isVectorised(plan.in) || !isVectorised(plan.out)) return std::nullopt;
  return plan;
}

}  // namespace

std::unique_ptr<Step> bindReformat(const BufferView& from, const BufferView& to, int) {
  std::optional<ConvertPlan> plan = convertPlan(from, to);
  if (!plan) return std::make_unique<Reformat>(from, to);
  ConvertKernel convert = kernels(selectedIsa()).typed->convert;
  std::int64_t tiles = from.dims.volume() == 0 ? 0 : plan->tiles();
  return makeStep(tiles, [=, plan = *plan](std::int64_t tile, const Worker& worker) {
    convert(plan, worker.data<const void>(from), worker.data<void>(to), tile);
  });
}

}  // namespace layerwise::cpu
