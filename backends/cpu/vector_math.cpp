#include "layerwise/vector_math.h"

#include <algorithm>

#include "backends/cpu/kernel_table.h"

namespace layerwise {
namespace {

void apply(std::span<float> values, cpu::Activation activation) {
  const cpu::KernelTable& table = cpu::kernels(cpu::selectedIsa());
  auto run = [&](float* data, std::size_t count) {
    cpu::PointwisePlan plan;
    plan.epilogue.activation = activation;
    plan.c = plan.a.pixel = plan.out.pixel = static_cast<std::int64_t>(count);
    table.tensor->pointwise(plan, data, nullptr, data, 0);
  };
  auto width = static_cast<std::size_t>(table.width);
  const std::size_t whole = values.size() / width * width;
  if (whole > 0) run(values.data(), whole);
  // The kernel loads whole vectors: the last ones from a copy.
  constexpr std::size_t kMostLanes = 16;
  float rest[kMostLanes] = {};
  std::copy(values.begin() + static_cast<std::ptrdiff_t>(whole), values.end(), rest);
  run(rest, width);
  std::copy_n(rest, values.size() - whole, values.data() + whole);
}

}  // namespace

void applySigmoid(std::span<float> values) {
  apply(values, cpu::Activation::kSigmoid);
}

void applyExp(std::span<float> values) {
  apply(values, cpu::Activation::kExp);
}

}  // namespace layerwise
