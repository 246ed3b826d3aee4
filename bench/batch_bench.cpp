// A batch against as many runs of a single image, on one engine: in lanes as the engine runs it,
// and with every step on the whole batch.
//
//   batch_bench THREADS BATCH ENGINE...     engines built with --batch

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/workers.h"
#include "engine/engine_state.h"
#include "layers/reference_tensor.h"
#include "layerwise/engine.h"

namespace layerwise {
namespace {

constexpr int kRounds = 41;

/// A program with memory of its own, and what its runs took.
class Runner {
 public:
  Runner(const Engine::State& state, std::int64_t images, const std::shared_ptr<ThreadPool>& pool,
         BatchOrder order)
      : program_(state.program(shapesFor(state, images), pool->size(), order)),
        executor_(state.backend->createExecutor(pool)) {
    for (const IoBuffer& buffer : program_->io) {
      memory_.emplace_back(buffer.bytes / sizeof(float) + 16, 0.5F);
      io_.push_back(memory_.back().data());
    }
    for (std::size_t i = 1; i < state.graph.inputs.size(); ++i) {
      ReferenceTensor values(state.graph.inputs[i].info);
      values.values = state.graph.inputs[i].defaultValues;
      values.write(io_[i]);
    }
    executor_->prepare(program_->steps, program_->memory, program_->io);
    run(1);
  }

  void run(std::int64_t times) {
    const double start = cpu::seconds();
    for (std::int64_t i = 0; i < times; ++i) executor_->run(program_->steps, io_, nullptr, {});
    seconds_.push_back(cpu::seconds() - start);
  }
  double median() {
    std::sort(seconds_.begin(), seconds_.end());
    return seconds_[seconds_.size() / 2];
  }
  std::size_t steps() const { return program_->steps.size(); }
  double megabytes() const { return static_cast<double>(executor_->memoryBytes()) / 1e6; }

 private:
  static std::vector<Dims> shapesFor(const Engine::State& state, std::int64_t images) {
    std::vector<Dims> shapes;
    for (const IoInfo& input : state.inputs) shapes.push_back(input.range.opt);
    shapes[0][0] = images;
    return shapes;
  }

  std::shared_ptr<const Program> program_;
  std::unique_ptr<Executor> executor_;
  std::vector<std::vector<float>> memory_;
  std::vector<void*> io_;
  std::vector<double> seconds_;
};

void compare(const std::string& path, int threads, std::int64_t batch) {
  const auto engine = Engine::load(path, {.threads = threads});
  const auto pool = std::make_shared<ThreadPool>(threads);
  Runner single(engine->state(), 1, pool, BatchOrder::kLanes);
  Runner whole(engine->state(), batch, pool, BatchOrder::kWhole);
  Runner lanes(engine->state(), batch, pool, BatchOrder::kLanes);
  for (int round = 0; round < kRounds; ++round) {
    single.run(batch);
    whole.run(1);
    lanes.run(1);
  }
  const double alone = single.median();
  fmt::print(
      "{:24} {} x 1: {:8.2f} ms; whole {:.2f} of it, in lanes {:.2f}; {} steps of {}; arena {:.1f} "
      "MB, whole {:.1f}, in lanes {:.1f}\n",
      path.substr(path.rfind('/') + 1), batch, alone * 1e3, whole.median() / alone,
      lanes.median() / alone, lanes.steps(), whole.steps(), single.megabytes(), whole.megabytes(),
      lanes.megabytes());
  std::fflush(stdout);
}

}  // namespace
}  // namespace layerwise

int main(int argc, char** argv) try {
  if (argc < 4) {
    fmt::print(stderr, "usage: batch_bench THREADS BATCH ENGINE...\n");
    return 2;
  }
  for (int i = 3; i < argc; ++i)
    layerwise::compare(argv[i], std::stoi(argv[1]), std::stoll(argv[2]));
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "batch_bench: {}\n", error.what());
  return 1;
}
