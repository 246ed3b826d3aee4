#include "engine/tuning.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "layerwise/error.h"

namespace layerwise {
namespace {

struct Effort {
  std::size_t candidates;  ///< of a group, the best by the cost model
  int rounds;
};

Effort effortOf(int level) {
  switch (level) {
    case 1:
      return {2, 2};
    case 2:
      return {3, 3};
    case 3:
      return {4, 3};
    case 4:
      return {8, 5};
    default:
      return {std::numeric_limits<std::size_t>::max(), 8};
  }
}

// A measured rival must be this much faster before it replaces the cost model's favourite: less is
// noise.
constexpr double kClearGain = 0.97;

/// Everything a candidate's time depends on, as a hash.
std::string timingKey(const MatchContext& context, const Backend& backend,
                      const Candidate& candidate) {
  const Graph& graph = context.graph;
  std::string text = fmt::format("{} workers={} {} v{} {} {}", backend.signature(), context.workers,
                                 candidate.tactic->name(), candidate.tactic->version(),
                                 candidate.parameters, layoutSignature(candidate));
  for (NodeId id : candidate.nodes) {
    const Node& node = graph.node(id);
    text += fmt::format("\n{} {}", node.kind->name,
                        toString(node.kind->attributes->toFields(node.attributes.get())));
    for (ValueId value : node.inputs)
      text += " " + toString(context.shapes.values[static_cast<std::size_t>(value)].dims);
    for (const ConstantData& weights : node.weights) text += fmt::format(" w{}", weights.count);
  }
  XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// One candidate on memory of its own.
class Measurement {
 public:
  Measurement(const MatchContext& context, const Backend& backend, const Candidate& candidate,
              std::shared_ptr<ThreadPool> pool)
      : executor_(backend.createExecutor(std::move(pool))) {
    std::size_t bytes = 0;
    auto place = [&](const std::vector<ValueId>& values, const std::vector<Layout>& layouts) {
      std::vector<BufferView> views;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const TensorInfo& info = context.shapes.values[static_cast<std::size_t>(values[i])];
        views.push_back(
            {0, bytes, layouts[i].type, info.dims, denseStrides(layouts[i], info.dims)});
        bytes += (static_cast<std::size_t>(info.dims.volume()) * sizeOf(layouts[i].type) + 127) /
                 64 * 64;
      }
      return views;
    };
    std::vector<BufferView> inputs = place(candidate.inputs, candidate.inputLayouts);
    std::vector<BufferView> outputs = place(candidate.outputs, candidate.outputLayouts);
    packed_ = candidate.tactic->pack(context.graph, candidate);
    steps_.resize(1);
    steps_[0].step = candidate.tactic->bind(
        {context.graph, candidate, context.shapes, inputs, outputs, packed_, context.workers});
    executor_->prepare(steps_, bytes);
    executor_->run(steps_, {}, nullptr, {});
  }

  void round() {
    executor_->coolCaches();
    auto start = std::chrono::steady_clock::now();
    executor_->run(steps_, {}, nullptr, {});
    best_ = std::min(
        best_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  double seconds() const { return best_; }

 private:
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<const void> packed_;
  std::vector<BoundStep> steps_;
  double best_ = std::numeric_limits<double>::infinity();
};

/// Sets the group's seconds to measured ones and returns the index of the winner.
std::size_t measureGroup(const MatchContext& context, const Backend& backend,
                         const TuningOptions& options, TimingCache& cache,
                         std::vector<Candidate*>& group) {
  Effort effort = effortOf(options.level);
  std::stable_sort(group.begin(), group.end(),
                   [](const Candidate* a, const Candidate* b) { return a->seconds < b->seconds; });
  std::size_t count = std::min(group.size(), effort.candidates);
  std::vector<double> seconds(count);
  std::map<std::size_t, std::unique_ptr<Measurement>> missing;
  for (std::size_t i = 0; i < count; ++i) {
    if (auto known = cache.find(timingKey(context, backend, *group[i])))
      seconds[i] = *known;
    else
      missing[i] = std::make_unique<Measurement>(context, backend, *group[i], options.pool);
  }
  for (int round = 0; round < effort.rounds; ++round)
    for (auto& [i, measurement] : missing) measurement->round();
  for (auto& [i, measurement] : missing) {
    seconds[i] = measurement->seconds();
    cache.insert(timingKey(context, backend, *group[i]), seconds[i]);
  }
  std::size_t winner = 0;
  for (std::size_t i = 0; i < count; ++i) {
    group[i]->seconds = seconds[i];
    bool clear = seconds[i] < seconds[0] * kClearGain;
    if (clear && seconds[i] < seconds[winner]) winner = i;
  }
  for (std::size_t i = count; i < group.size(); ++i)
    group[i]->seconds = std::numeric_limits<double>::infinity();
  return winner;
}

}  // namespace

void tuneRegions(const MatchContext& context, const Backend& backend, const TuningOptions& options,
                 Selection& selection) {
  if (options.level <= 0) return;
  TimingCache own;
  TimingCache& cache = options.cache ? *options.cache : own;
  for (std::size_t r = 0; r < selection.regions.size(); ++r) {
    Region& region = selection.regions[r];
    if (options.progress &&
        !options.progress(static_cast<double>(r) / static_cast<double>(selection.regions.size()),
                          "timing tactics"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while timing tactics");
    std::map<std::string, std::vector<Candidate*>> groups;
    for (Candidate& c : region.alternatives) groups[layoutSignature(c)].push_back(&c);
    for (auto& [signature, group] : groups) {
      if (group.size() < 2) continue;
      std::size_t winner = measureGroup(context, backend, options, cache, group);
      // The layouts are chosen among the winners; the losers stay for the inspector.
      double best = group[winner]->seconds;
      for (std::size_t i = 0; i < group.size(); ++i)
        if (i != winner) group[i]->seconds = std::max(group[i]->seconds, best * (1 + 1e-6));
      region.measured = true;
    }
  }
}

}  // namespace layerwise
