#include "backends/cpu/measure_peak.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "backends/cpu/executor.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/processor_time.h"
#include "layerwise/thread_pool.h"

namespace layerwise::cpu {
namespace {

constexpr int kRounds = 5;

/// The most that `work` does a second of the calling thread's processor time.
template <class Work>
double bestRate(double amount, const Work& work) {
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    double begin = processorSeconds();
    work();
    best = std::max(best, amount / std::max(processorSeconds() - begin, 1e-9));
  }
  return best;
}

}  // namespace

DevicePeak measurePeak(int threads) {
  constexpr std::int64_t kSteps = 1 << 20;
  constexpr std::size_t kBytes = 32 << 20;  // more than a core's share of any cache
  ThreadPool pool(threads);
  DevicePeak peak;
  std::mutex mutex;
  std::atomic<float> sink{0};
  pool.run([&](int) {
    auto rate = [&](const Peak& loop) {
      return bestRate(static_cast<double>(kSteps) * loop.operations,
                      [&] { sink = loop.loop(kSteps); });
    };
    DevicePeak own;
    own.flops = rate(peakOf(Element::kFloat32, selectedCpu()));
    own.bfloat16Flops = rate(peakOf(Element::kBFloat16, selectedCpu()));
    own.byteOperations = rate(peakOf(Element::kUInt8, selectedCpu()));
    AlignedBuffer from(kBytes), to(kBytes);
    std::memset(from.data(), 1, kBytes);
    own.bytesPerSecond =
        bestRate(2.0 * kBytes, [&] { std::memcpy(to.data(), from.data(), kBytes); });
    std::lock_guard lock(mutex);
    peak.flops += own.flops;
    peak.bfloat16Flops += own.bfloat16Flops;
    peak.byteOperations += own.byteOperations;
    peak.bytesPerSecond += own.bytesPerSecond;
  });
  return peak;
}

}  // namespace layerwise::cpu
