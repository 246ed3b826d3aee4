#include "layerwise/vector_math.h"

#include <algorithm>

#include "backends/cpu/kernel_table.h"

namespace layerwise {
namespace {

const cpu::KernelTable& table() {
  static const cpu::KernelTable& selected = cpu::kernels(cpu::selectedIsa());
  return selected;
}

/// Rows of numbers, `step` apart.
struct Rows {
  const float* from;
  std::int64_t fromStep;
  float* to;
  std::int64_t toStep;
  std::int64_t count, length;
};

void apply(const Rows& rows, cpu::Activation activation) {
  auto run = [&](const float* from, float* to, std::int64_t count, std::int64_t length) {
    cpu::PointwisePlan plan;
    plan.epilogue.activation = activation;
    plan.w = count, plan.c = length;
    plan.a.pixel = rows.fromStep, plan.out.pixel = rows.toStep;
    table().tensor->pointwise(plan, from, nullptr, to, 0);
  };
  // The kernel loads whole vectors. Rows that end so far before the last one's end that this reads
  // nothing beyond are done at once; the ends of the others are done from a copy.
  constexpr std::int64_t kMostLanes = 16;
  const std::int64_t width = table().width, whole = rows.length / width * width;
  const std::int64_t rest = rows.length - whole;
  std::int64_t close = 0;
  if (rest > 0)
    while (close < rows.count && close * rows.fromStep < width - rest) ++close;
  const std::int64_t far = rows.count - close;
  if (far > 0) run(rows.from, rows.to, far, rows.length);
  for (std::int64_t i = far; i < rows.count; ++i) {
    const float* from = rows.from + i * rows.fromStep;
    float* to = rows.to + i * rows.toStep;
    float end[kMostLanes] = {};
    std::copy_n(from + whole, rest, end);
    if (whole > 0) run(from, to, 1, whole);
    run(end, end, 1, width);
    std::copy_n(end, rest, to + whole);
  }
}

void apply(std::span<float> values, cpu::Activation activation) {
  const auto count = static_cast<std::int64_t>(values.size());
  apply({values.data(), count, values.data(), count, 1, count}, activation);
}

}  // namespace

void applySigmoid(std::span<float> values) {
  apply(values, cpu::Activation::kSigmoid);
}

void applySigmoid(const float* from, std::int64_t fromStep, float* to, std::int64_t toStep,
                  std::int64_t rows, std::int64_t length) {
  apply({from, fromStep, to, toStep, rows, length}, cpu::Activation::kSigmoid);
}

void transpose(const float* from, std::int64_t fromStep, float* to, std::int64_t toStep,
               std::int64_t rows, std::int64_t columns) {
  cpu::ConvertPlan plan;
  plan.w = rows, plan.c = columns;
  plan.in.pixel = fromStep;
  plan.out.pixel = 1, plan.out.channel = toStep;
  table().typed->convert(plan, from, to, 0);
}

void applyExp(std::span<float> values) {
  apply(values, cpu::Activation::kExp);
}

}  // namespace layerwise
