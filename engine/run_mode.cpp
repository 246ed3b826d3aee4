#include "engine/run_mode.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr int kRounds = 12, kRunsARound = 4;
// The usual mode stays unless another one is clearly faster.
constexpr double kClearly = 0.98;

/// A program whose inputs are zeros.
class ModeMeasurement {
 public:
  ModeMeasurement(const Backend& backend, const Program& program, std::shared_ptr<ThreadPool> pool,
                  std::string_view modeName)
      : mode(modeName),
        executor_(backend.createExecutor(std::move(pool), modeName)),
        program_(program) {
    std::vector<std::vector<std::byte>> zeros;
    std::vector<void*> io;
    for (const IoBuffer& buffer : program.io) {
      zeros.emplace_back(buffer.bytes + 64);
      io.push_back(zeros.back().data());
    }
    executor_->prepare(program.steps, program.memory, program.io);
    executor_->run(program.steps, io, nullptr, {});
    // From now on they stay there.
    std::vector<IoBuffer> resident = program.io;
    for (IoBuffer& buffer : resident) buffer.written = buffer.read = false;
    executor_->prepare(program.steps, program.memory, resident);
    nothing_.assign(io.size(), nullptr);
  }

  void round() {
    // The first finds the caches full of other modes' instructions.
    run();
    for (int i = 0; i < kRunsARound; ++i) {
      const auto start = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      seconds_.push_back(taken.count());
    }
  }

  /// The median: what a busy host does to many launches counts.
  double seconds() {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::nth_element(seconds_.begin(), middle, seconds_.end());
    return *middle;
  }

  std::string mode;

 private:
  void run() { executor_->run(program_.steps, nothing_, nullptr, {}); }

  std::unique_ptr<Executor> executor_;
  const Program& program_;
  std::vector<void*> nothing_;
  std::vector<double> seconds_;
};

}  // namespace

std::string chooseRunMode(const Backend& backend, const Program& program,
                          const std::shared_ptr<ThreadPool>& pool, const Logger& logger) {
  const std::vector<std::string> modes = backend.runModes(program.steps);
  if (modes.empty()) return {};
  std::vector<ModeMeasurement> measured;
  measured.reserve(modes.size() + 1);
  try {
    measured.emplace_back(backend, program, pool, "");
    for (const std::string& mode : modes)
      if (backend.prepareMode(program.steps, mode))
        measured.emplace_back(backend, program, pool, mode);
    for (int i = 0; i < kRounds; ++i)
      for (ModeMeasurement& m : measured) m.round();
  } catch (const Error&) {
    // Zeros may be what a layer refuses.
    return {};
  }
  std::string best, times;
  double least = kClearly * measured.front().seconds();
  for (ModeMeasurement& m : measured) {
    const double seconds = m.seconds();
    times += fmt::format("{}{} {:.3f} ms", times.empty() ? "" : ", ",
                         m.mode.empty() ? "as usual" : m.mode, seconds * 1e3);
    if (seconds < least) best = m.mode, least = seconds;
  }
  if (logger) logger(Severity::kVerbose, fmt::format("[run modes] {}", times));
  return best;
}

}  // namespace layerwise
