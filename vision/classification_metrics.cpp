#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "layerwise/error.h"
#include "layerwise/metrics.h"

namespace layerwise {
namespace {

constexpr int kTop = 5;

std::vector<int> bestClasses(std::span<const float> logits, int count) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept =
      std::min<std::size_t>(static_cast<std::size_t>(std::max(count, 0)), order.size());
  // What is not a number comes last: a comparison with it would give no order.
  const auto key = [&](int i) { return std::isnan(logits[i]) ? -HUGE_VALF : logits[i]; };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](int a, int b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
  order.resize(kept);
  return order;
}

}  // namespace

std::vector<ClassScore> topClasses(std::span<const float> logits, int count) {
  if (logits.empty()) return {};
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (float logit : logits) sum += std::exp(logit - largest);
  std::vector<ClassScore> best;
  for (int id : bestClasses(logits, count)) {
    best.push_back({id, static_cast<float>(std::exp(logits[id] - largest) / sum)});
  }
  return best;
}

void TopAccuracy::add(std::span<const float> logits, int label) {
  if (label < 0 || static_cast<std::size_t>(label) >= logits.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[accuracy] label {} of {} classes", label, logits.size()));
  }
  const std::vector<int> best = bestClasses(logits, kTop);
  ++images_;
  first_ += best[0] == label;
  fifth_ += std::find(best.begin(), best.end(), label) != best.end();
}

}  // namespace layerwise
