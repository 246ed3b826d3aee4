#include <cmath>
#include <limits>
#include <type_traits>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/reduction_loops.h"

namespace layerwise {
namespace cpu {
namespace {

/// How many outputs a tile computes side by side.
constexpr std::int64_t kLanes = 64;

template <class T>
T quotient(T sum, std::int64_t count) {
  return sum / static_cast<T>(count);
}

template <class T, class Sum>
std::unique_ptr<Step> bindTyped(const Reduce& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  ReductionLoops loops = reductionLoops(a, in, out);
  std::int64_t count = 1;
  for (const auto& loop : loops.terms) count *= loop.count;
  LoopNest<2> lanes(std::move(loops.kept), kLanes,
                    std::max<std::int64_t>(kLanes, 16384 / (count + 1)));
  LoopNest<1> terms(std::move(loops.terms));
  ReduceOperation operation = a.operation;
  return makeStep(lanes.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const T* x = worker.data<T>(in);
    T* y = worker.data<T>(out);
    auto step = lanes.runStrides();
    std::int64_t termStep = terms.runStrides()[0];
    lanes.run(tile, [&](const auto& at, std::int64_t width) {
      Sum sums[kLanes];
      auto fold = [&](Sum start, auto combine) {
        std::fill_n(sums, width, start);
        terms.runAll([&](const auto& place, std::int64_t run) {
          for (std::int64_t i = 0; i < run; ++i) {
            const T* source = x + at[1] + place[0] + i * termStep;
            for (std::int64_t lane = 0; lane < width; ++lane)
              sums[lane] = combine(sums[lane], static_cast<Sum>(source[lane * step[1]]));
          }
        });
      };
      using Limits = std::numeric_limits<Sum>;
      // Integers wrap around; unsigned arithmetic makes that defined.
      switch (operation) {
        case ReduceOperation::kSum:
        case ReduceOperation::kAverage:
          fold(0, [](Sum p, Sum q) {
            if constexpr (std::is_integral_v<Sum>)
              return static_cast<Sum>(static_cast<std::uint64_t>(p) +
                                      static_cast<std::uint64_t>(q));
            else
              return p + q;
          });
          break;
        case ReduceOperation::kProduct:
          fold(1, [](Sum p, Sum q) {
            if constexpr (std::is_integral_v<Sum>)
              return static_cast<Sum>(static_cast<std::uint64_t>(p) *
                                      static_cast<std::uint64_t>(q));
            else
              return p * q;
          });
          break;
        case ReduceOperation::kMax:
          fold(Limits::has_infinity ? -Limits::infinity() : Limits::min(),
               [](Sum p, Sum q) { return q > p ? q : p; });
          break;
        case ReduceOperation::kMin:
          fold(Limits::has_infinity ? Limits::infinity() : Limits::max(),
               [](Sum p, Sum q) { return q < p ? q : p; });
          break;
      }
      bool average = operation == ReduceOperation::kAverage;
      for (std::int64_t lane = 0; lane < width; ++lane)
        y[at[0] + lane * step[0]] =
            static_cast<T>(average ? quotient(sums[lane], count) : sums[lane]);
    });
  });
}

std::unique_ptr<Step> bindReduce(const Reduce& a, const BindContext& c) {
  switch (c.inputs[0].type) {
    case DataType::kInt32:
      return bindTyped<std::int32_t, std::int64_t>(a, c);
    case DataType::kInt64:
      return bindTyped<std::int64_t, std::int64_t>(a, c);
    default:
      return bindTyped<float, double>(a, c);
  }
}

std::unique_ptr<Step> bindSoftmax(const Softmax& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  int rank = in.dims.rank(), axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  std::vector<LoopNest<2>::Loop> kept;
  for (int i = 0; i < rank; ++i)
    if (i != axis) kept.push_back({in.dims[i], {out.strides[i], in.strides[i]}});
  std::int64_t size = in.dims[axis], strideX = in.strides[axis], strideY = out.strides[axis];
  LoopNest<2> lanes(std::move(kept), kLanes, std::max<std::int64_t>(1, 4096 / (size + 1)));
  return makeStep(size == 0 ? 0 : lanes.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const float* x = worker.data<float>(in);
    float* y = worker.data<float>(out);
    auto step = lanes.runStrides();
    lanes.run(tile, [&](const auto& at, std::int64_t width) {
      const float* from = x + at[1];
      float* to = y + at[0];
      float top[kLanes], sum[kLanes] = {};
      std::fill_n(top, width, -std::numeric_limits<float>::infinity());
      for (std::int64_t j = 0; j < size; ++j)
        for (std::int64_t i = 0; i < width; ++i)
          top[i] = std::max(top[i], from[j * strideX + i * step[1]]);
      for (std::int64_t j = 0; j < size; ++j)
        for (std::int64_t i = 0; i < width; ++i) {
          float value = std::exp(from[j * strideX + i * step[1]] - top[i]);
          to[j * strideY + i * step[0]] = value;
          sum[i] += value;
        }
      for (std::int64_t j = 0; j < size; ++j)
        for (std::int64_t i = 0; i < width; ++i) to[j * strideY + i * step[0]] /= sum[i];
    });
  });
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_reduce(cpu::TacticRegistry& registry) {
  cpu::addPortable<Reduce>(
      registry, {.takes = [](const Reduce&, const NodeInfo& info) { return allCommonTypes(info); },
                 .flops =
                     [](const Reduce&, const NodeInfo& info) {
                       return static_cast<double>(info.inputs[0].dims.volume());
                     },
                 .channelsLast = true,
                 .bind = cpu::bindReduce});
  cpu::addPortable<Softmax>(registry,
                            {.flopsPerOutput = 15, .channelsLast = true, .bind = cpu::bindSoftmax});
}

}  // namespace layerwise
