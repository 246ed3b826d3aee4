#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <queue>
#include <set>

#include "engine/selection.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

/// Whether a region can run in one go: what it reads from outside must not depend on what it
/// computes, and what it keeps inside must not be needed outside.
bool isLegal(const Graph& graph, const Candidate& candidate) {
  std::set<NodeId> inside(candidate.nodes.begin(), candidate.nodes.end());
  for (NodeId id : candidate.nodes)
    for (ValueId output : graph.node(id).outputs) {
      if (std::find(candidate.outputs.begin(), candidate.outputs.end(), output) !=
          candidate.outputs.end())
        continue;
      if (graph.isOutput(output)) return false;
      for (NodeId consumer : graph.value(output).consumers)
        if (!inside.contains(consumer)) return false;
    }
  if (candidate.nodes.size() == 1) return true;
  NodeId first = *inside.begin();
  std::vector<NodeId> open;
  for (ValueId input : candidate.inputs)
    if (NodeId producer = graph.value(input).producer; producer > first) open.push_back(producer);
  std::set<NodeId> seen;
  while (!open.empty()) {
    NodeId id = open.back();
    open.pop_back();
    if (inside.contains(id)) return false;
    if (id < first || !seen.insert(id).second) continue;
    for (ValueId input : graph.node(id).inputs)
      if (NodeId producer = graph.value(input).producer; producer >= first)
        open.push_back(producer);
  }
  return true;
}

/// Puts regions into an order in which each runs after what it reads: Kahn's algorithm, the lowest
/// node number first.
std::vector<Region> schedule(const Graph& graph, std::vector<Region> regions) {
  std::vector<int> regionOf(graph.nodes.size(), kNone);
  for (std::size_t r = 0; r < regions.size(); ++r)
    for (NodeId id : regions[r].chosen.nodes)
      regionOf[static_cast<std::size_t>(id)] = static_cast<int>(r);
  std::vector<std::set<int>> next(regions.size());
  std::vector<int> waiting(regions.size(), 0);
  for (std::size_t r = 0; r < regions.size(); ++r)
    for (ValueId input : regions[r].chosen.inputs) {
      NodeId producer = graph.value(input).producer;
      if (producer == kNone) continue;
      int from = regionOf[static_cast<std::size_t>(producer)];
      if (next[static_cast<std::size_t>(from)].insert(static_cast<int>(r)).second) ++waiting[r];
    }
  auto key = [&](int r) { return regions[static_cast<std::size_t>(r)].chosen.nodes.back(); };
  auto later = [&](int a, int b) { return key(a) > key(b); };
  std::priority_queue<int, std::vector<int>, decltype(later)> ready(later);
  for (std::size_t r = 0; r < regions.size(); ++r)
    if (!waiting[r]) ready.push(static_cast<int>(r));
  std::vector<Region> ordered;
  ordered.reserve(regions.size());
  while (!ready.empty()) {
    int r = ready.top();
    ready.pop();
    for (int n : next[static_cast<std::size_t>(r)])
      if (--waiting[static_cast<std::size_t>(n)] == 0) ready.push(n);
    ordered.push_back(std::move(regions[static_cast<std::size_t>(r)]));
  }
  if (ordered.size() != regions.size())
    throw Error(ErrorCode::kInternal, "[builder] the regions depend on each other in a circle");
  return ordered;
}

}  // namespace

bool isWhatWasChosen(const Candidate& c, const TunedChoice& choice) {
  return c.nodes == choice.region && c.tactic->name() == choice.tactic &&
         c.tactic->version() == choice.version && c.parameters == choice.parameters &&
         layoutSignature(c) == choice.layouts;
}

std::optional<Selection> coverAsChosen(MatchContext context, const Backend& backend,
                                       const std::vector<TunedChoice>& choices) {
  context.looksAtWeights = false;
  std::map<std::string_view, const Tactic*> tactics;
  for (const Tactic* tactic : backend.tactics()) tactics.emplace(tactic->name(), tactic);
  std::vector<bool> covered(context.graph.nodes.size(), false);
  std::vector<Region> regions;
  regions.reserve(choices.size());
  std::vector<Candidate> candidates;
  for (const TunedChoice& choice : choices) {
    if (choice.region.empty()) continue;
    const auto tactic = tactics.find(choice.tactic);
    if (tactic == tactics.end()) return std::nullopt;
    candidates.clear();
    tactic->second->match(context, choice.region.front(), candidates);
    const auto chosen = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) {
      return isWhatWasChosen(c, choice);
    });
    if (chosen == candidates.end() || !isLegal(context.graph, *chosen)) return std::nullopt;
    for (NodeId n : chosen->nodes) {
      if (covered[static_cast<std::size_t>(n)]) return std::nullopt;
      covered[static_cast<std::size_t>(n)] = true;
    }
    regions.push_back({*chosen, {*chosen}});
  }
  if (std::find(covered.begin(), covered.end(), false) != covered.end()) return std::nullopt;
  return Selection{schedule(context.graph, std::move(regions))};
}

Selection coverGraph(const MatchContext& context, const Backend& backend) {
  const Graph& graph = context.graph;
  std::vector<std::vector<Candidate>> candidates(graph.nodes.size());
  std::vector<double> alone(graph.nodes.size(), 0);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    auto& list = candidates[static_cast<std::size_t>(id)];
    for (const Tactic* tactic : backend.tactics()) tactic->match(context, id, list);
    std::erase_if(list, [&](const Candidate& c) { return !isLegal(graph, c); });
    double best = -1;
    for (const Candidate& c : list)
      if (c.nodes.size() == 1 && (best < 0 || c.seconds < best)) best = c.seconds;
    if (best < 0)
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("[{} {}] no tactic of device {} runs it ({})",
                              graph.node(id).kind->name, graph.node(id).name, backend.name(),
                              toString(graph.node(id).kind->attributes->toFields(
                                  graph.node(id).attributes.get()))));
    alone[static_cast<std::size_t>(id)] = best;
  }

  std::vector<bool> covered(graph.nodes.size(), false);
  std::vector<Region> regions;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (covered[static_cast<std::size_t>(id)]) continue;
    std::map<std::vector<NodeId>, std::vector<Candidate>> groups;
    for (Candidate& c : candidates[static_cast<std::size_t>(id)])
      if (std::none_of(c.nodes.begin(), c.nodes.end(),
                       [&](NodeId n) { return covered[static_cast<std::size_t>(n)]; }))
        groups[c.nodes].push_back(std::move(c));
    const std::vector<NodeId>* best = nullptr;
    double bestSaving = 0;
    for (const auto& [nodes, group] : groups) {
      double together = group.front().seconds, apart = 0;
      for (const Candidate& c : group) together = std::min(together, c.seconds);
      for (NodeId n : nodes) apart += alone[static_cast<std::size_t>(n)];
      if (!best || apart - together > bestSaving) best = &nodes, bestSaving = apart - together;
    }
    Region region;
    region.alternatives = groups.at(*best);
    region.chosen = *std::min_element(
        region.alternatives.begin(), region.alternatives.end(),
        [](const Candidate& a, const Candidate& b) { return a.seconds < b.seconds; });
    for (NodeId n : *best) covered[static_cast<std::size_t>(n)] = true;
    regions.push_back(std::move(region));
  }
  return {schedule(graph, std::move(regions))};
}

}  // namespace layerwise
