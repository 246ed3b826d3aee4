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
  double
      hopeless;    ///< a candidate is not measured whose estimate is this many times the best one's
  double seconds;  ///< measuring for longer than this, the cost model decides what is left
};

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

Effort effortOf(int level) {
  switch (level) {
    case 1:
      return {2, 2, 5, 1};
    case 2:
      return {3, 3, 5, 2};
    case 3:
      return {4, 3, 5, 3};
    case 4:
      return {8, 5, 10, 60};
    default:
      return {std::numeric_limits<std::size_t>::max(), 8, kNoLimit, kNoLimit};
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
    executor_->prepare(steps_, {bytes}, {});
    executor_->fillForTiming();
    executor_->run(steps_, {}, nullptr, {});
  }

  void round() {
    executor_->coolCaches();
    best_ = std::min(best_, executor_->timedRun(steps_));
  }

  double seconds() const { return best_; }

 private:
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<const void> packed_;
  std::vector<BoundStep> steps_;
  double best_ = std::numeric_limits<double>::infinity();
};

/// Candidates that differ in nothing but tactic and parameters, the cost model's favourite first.
struct Group {
  std::vector<Candidate*> candidates;
  std::size_t measured = 0;  ///< how many of them
};

std::vector<Group> groupsOf(Region& region, const Effort& effort) {
  std::map<std::string, Group> bySignature;
  for (Candidate& c : region.alternatives) bySignature[layoutSignature(c)].candidates.push_back(&c);
  double best = std::numeric_limits<double>::infinity();
  for (const Candidate& c : region.alternatives) best = std::min(best, c.seconds);
  std::vector<Group> groups;
  for (auto& [signature, group] : bySignature) {
    std::stable_sort(
        group.candidates.begin(), group.candidates.end(),
        [](const Candidate* a, const Candidate* b) { return a->seconds < b->seconds; });
    // What the cost model thinks hopeless is not worth the time.
    auto hopeful =
        std::count_if(group.candidates.begin(), group.candidates.end(),
                      [&](const Candidate* c) { return c->seconds < best * effort.hopeless; });
    group.measured = std::min(static_cast<std::size_t>(hopeful), effort.candidates);
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Times the candidates in turn, round by round, so that a change of the machine's speed hits all
/// of them: at least the level's number of rounds, and more for what is over in no time.
void measure(const MatchContext& context, const Backend& backend, const TuningOptions& options,
             TimingCache& cache, const std::vector<Candidate*>& candidates) {
  constexpr double kEnoughSeconds = 2e-3;
  constexpr int kMostRounds = 20;
  std::map<Candidate*, std::unique_ptr<Measurement>> missing;
  for (Candidate* c : candidates) {
    if (auto known = cache.find(timingKey(context, backend, *c)))
      c->seconds = *known;
    else
      missing[c] = std::make_unique<Measurement>(context, backend, *c, options.pool);
  }
  int rounds = effortOf(options.level).rounds;
  for (int round = 0; round < rounds; ++round) {
    double fastest = std::numeric_limits<double>::infinity();
    for (auto& [c, measurement] : missing) {
      measurement->round();
      fastest = std::min(fastest, measurement->seconds());
    }
    if (round == 0 && !missing.empty())
      rounds = std::clamp(static_cast<int>(kEnoughSeconds / fastest), rounds, kMostRounds);
  }
  for (auto& [c, measurement] : missing) {
    c->seconds = measurement->seconds();
    cache.insert(timingKey(context, backend, *c), c->seconds);
  }
}

/// Leaves the group's winner the fastest of it, so that the layouts are chosen among winners; the
/// losers stay for the inspector.
void settle(Group& group) {
  if (group.measured == 0) return;
  std::size_t winner = 0;
  for (std::size_t i = 1; i < group.measured; ++i)
    if (group.candidates[i]->seconds <
        std::min(group.candidates[winner]->seconds, group.candidates[0]->seconds * kClearGain))
      winner = i;
  double best = group.candidates[winner]->seconds;
  for (std::size_t i = 0; i < group.candidates.size(); ++i) {
    if (i == winner) continue;
    double& seconds = group.candidates[i]->seconds;
    seconds = i < group.measured ? std::max(seconds, best * (1 + 1e-6))
                                 : std::numeric_limits<double>::infinity();
  }
}

}  // namespace

double Executor::timedRun(std::span<const BoundStep> steps) {
  auto start = std::chrono::steady_clock::now();
  run(steps, {}, nullptr, {});
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void tuneRegions(const MatchContext& context, const Backend& backend, const TuningOptions& options,
                 Selection& selection) {
  if (options.level <= 0) return;
  TimingCache own;
  TimingCache& cache = options.cache ? *options.cache : own;
  const Effort effort = effortOf(options.level);
  // The dearest first: they have most to gain where the time does not suffice for all.
  std::vector<Region*> regions;
  for (Region& region : selection.regions) regions.push_back(&region);
  std::stable_sort(regions.begin(), regions.end(), [](const Region* a, const Region* b) {
    return a->chosen.seconds > b->chosen.seconds;
  });
  const auto start = std::chrono::steady_clock::now();
  std::size_t done = 0;
  for (Region* region : regions) {
    double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double fraction = static_cast<double>(done++) / static_cast<double>(regions.size());
    if (options.progress &&
        !options.progress(std::max(fraction, std::min(1.0, elapsed / effort.seconds)),
                          "timing tactics"))
      throw Error(ErrorCode::kCancelled, "[builder] cancelled while timing tactics");
    std::vector<Group> groups = groupsOf(*region, effort);
    std::vector<Candidate*> candidates;
    for (const Group& group : groups)
      candidates.insert(candidates.end(), group.candidates.begin(),
                        group.candidates.begin() + static_cast<std::ptrdiff_t>(group.measured));
    // One candidate of each layout and nothing to choose between but layouts: the cost model knows
    // enough.
    if (candidates.size() == groups.size()) continue;
    if (!std::all_of(candidates.begin(), candidates.end(),
                     [](const Candidate* c) { return c->tactic->takesAnyValues(); }))
      continue;
    bool known = std::all_of(candidates.begin(), candidates.end(), [&](const Candidate* c) {
      return cache.find(timingKey(context, backend, *c)).has_value();
    });
    if (!known && elapsed > effort.seconds) continue;
    measure(context, backend, options, cache, candidates);
    for (Group& group : groups) settle(group);
    region->measured = true;
  }
}

}  // namespace layerwise
