#include "backends/cpu/executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "backends/cpu/single_node.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

TEST(CpuExecutor, TimesOnOrdinaryNumbersOfEachType) {
  constexpr std::size_t kBytes = 100'004;  // no whole number of what is copied
  std::vector<std::byte> seen(kBytes);
  std::vector<BoundStep> steps(1);
  steps[0].step = makeStep(1, [&](std::int64_t, const Worker& worker) {
    std::memcpy(seen.data(), worker.buffers[0], kBytes);
  });
  CpuExecutor executor(std::make_shared<ThreadPool>());
  executor.prepare(steps, {kBytes}, {});
  executor.fillForTiming();
  executor.run(steps, {}, nullptr, {});
  auto ordinary = [](float x) { return x >= 0.5f && x < 2; };
  for (std::size_t at = 0; at + 4 <= kBytes; at += 4) {
    float whole;
    std::uint16_t halves[2];
    std::memcpy(&whole, seen.data() + at, sizeof whole);
    std::memcpy(halves, seen.data() + at, sizeof halves);
    ASSERT_TRUE(ordinary(whole)) << whole << " at " << at;
    for (std::uint16_t half : halves) {
      ASSERT_TRUE(ordinary(bfloat16ToFloat(half))) << half << " at " << at;
      ASSERT_TRUE(std::isnormal(halfToFloat(half))) << half << " at " << at;
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
