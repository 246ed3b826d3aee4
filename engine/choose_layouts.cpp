#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "engine/selection.h"

namespace layerwise {
namespace {

struct Use {
  int region;
  int input;
};

/// What a choice of candidates costs, looked at from one region.
class LayoutSearch {
 public:
  LayoutSearch(const MatchContext& context, const Backend& backend, Selection& selection)
      : context_(context), backend_(backend), regions_(selection.regions) {
    producers_.assign(context.graph.values.size(), {kNone, 0});
    uses_.resize(context.graph.values.size());
    for (int r = 0; r < static_cast<int>(regions_.size()); ++r) {
      const Candidate& c = regions_[static_cast<std::size_t>(r)].chosen;
      for (int i = 0; i < static_cast<int>(c.inputs.size()); ++i)
        usesOf(c.inputs[static_cast<std::size_t>(i)]).push_back({r, i});
      for (int i = 0; i < static_cast<int>(c.outputs.size()); ++i)
        producers_[static_cast<std::size_t>(c.outputs[static_cast<std::size_t>(i)])] = {r, i};
    }
    choice_.resize(regions_.size());
  }

  /// Starts from each region's best candidate, those for which `prefer` holds before others, and
  /// improves one region at a time until nothing changes, first those that read others' results
  /// where `followFirst`. Returns the total.
  double run(const std::function<bool(const Candidate&)>& prefer, bool followFirst) {
    for (std::size_t r = 0; r < regions_.size(); ++r) {
      const auto& list = regions_[r].alternatives;
      auto better = [&](const Candidate& a, const Candidate& b) {
        bool pa = prefer(a), pb = prefer(b);
        return pa != pb ? pa : a.seconds < b.seconds;
      };
      choice_[r] = static_cast<std::size_t>(std::min_element(list.begin(), list.end(), better) -
                                            list.begin());
    }
    constexpr int kSweeps = 20;
    bool changed = true;
    for (int sweep = 0; sweep < kSweeps && changed; ++sweep) {
      changed = false;
      for (std::size_t i = 0; i < regions_.size(); ++i)
        changed |= improve((sweep % 2 == 0) == followFirst ? regions_.size() - 1 - i : i);
    }
    double total = 0;
    for (std::size_t r = 0; r < regions_.size(); ++r) total += cost(r, choice_[r], false);
    return total;
  }

  const std::vector<std::size_t>& choice() const { return choice_; }

 private:
  std::vector<Use>& usesOf(ValueId value) { return uses_[static_cast<std::size_t>(value)]; }
  const Candidate& chosen(int region) const {
    auto r = static_cast<std::size_t>(region);
    return regions_[r].alternatives[choice_[r]];
  }

  bool improve(std::size_t r) {
    std::size_t best = choice_[r];
    double bestCost = cost(r, best, true);
    for (std::size_t c = 0; c < regions_[r].alternatives.size(); ++c)
      if (double here = cost(r, c, true); here < bestCost * (1 - 1e-9)) best = c, bestCost = here;
    bool changed = best != choice_[r];
    choice_[r] = best;
    return changed;
  }

  /// The candidate's own time, the reformats of its inputs, and, for a local decision, those that
  /// its outputs need.
  double cost(std::size_t r, std::size_t c, bool withOutputs) {
    const Candidate& candidate = regions_[r].alternatives[c];
    double seconds = candidate.seconds;
    for (std::size_t i = 0; i < candidate.inputs.size(); ++i)
      seconds += reformat(candidate.inputs[i], producedLayout(candidate.inputs[i]),
                          candidate.inputLayouts[i]);
    for (std::size_t i = 0; i < candidate.outputs.size(); ++i) {
      ValueId value = candidate.outputs[i];
      std::vector<Layout> wanted;
      if (withOutputs)
        for (const Use& use : usesOf(value))
          addOnce(wanted, chosen(use.region).inputLayouts[static_cast<std::size_t>(use.input)]);
      if (context_.graph.isOutput(value)) addOnce(wanted, Layout::linear(info(value).type));
      for (const Layout& layout : wanted)
        seconds += reformat(value, candidate.outputLayouts[i], layout);
    }
    return seconds;
  }

  static void addOnce(std::vector<Layout>& list, const Layout& layout) {
    if (std::find(list.begin(), list.end(), layout) == list.end()) list.push_back(layout);
  }

  Layout producedLayout(ValueId value) const {
    const Use& producer = producers_[static_cast<std::size_t>(value)];
    if (producer.region == kNone) return Layout::linear(info(value).type);
    return chosen(producer.region).outputLayouts[static_cast<std::size_t>(producer.input)];
  }

  const TensorInfo& info(ValueId value) const {
    return context_.shapes.values[static_cast<std::size_t>(value)];
  }

  double reformat(ValueId value, const Layout& from, const Layout& to) const {
    return from == to ? 0 : backend_.reformatSeconds(info(value), from, to, context_.workers);
  }

  const MatchContext& context_;
  const Backend& backend_;
  std::vector<Region>& regions_;
  std::vector<Use> producers_;
  std::vector<std::vector<Use>> uses_;
  std::vector<std::size_t> choice_;
};

}  // namespace

void chooseLayouts(const MatchContext& context, const Backend& backend, Selection& selection) {
  LayoutSearch search(context, backend, selection);
  auto linear = [](const Candidate& c) {
    return std::all_of(c.outputLayouts.begin(), c.outputLayouts.end(),
                       [](const Layout& l) { return l.isLinear(); });
  };
  auto isFloat16 = [](const Layout& l) {
    return l.type == DataType::kBFloat16 || l.type == DataType::kFloat16;
  };
  auto reduced = [&](const Candidate& c) {
    return std::any_of(c.inputLayouts.begin(), c.inputLayouts.end(), isFloat16);
  };
  auto reducedInside = [&](const Candidate& c) {
    const bool outer = std::any_of(c.inputs.begin(), c.inputs.end(), [&](ValueId value) {
      return context.graph.value(value).producer == kNone;
    });
    return reduced(c) != outer;
  };
  // An improvement that takes a whole chain of regions is never found one region at a time, so the
  // search begins where such chains are. An engine's inputs are float32: what reads them may do so
  // as they are, and what follows fall in with it.
  struct Start {
    std::function<bool(const Candidate&)> prefer;
    bool followFirst = false;
  };
  const Start starts[] = {
      {linear}, {[&](const Candidate& c) { return !linear(c); }}, {reduced}, {reducedInside, true}};
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> best;
  for (const Start& start : starts)
    if (double total = search.run(start.prefer, start.followFirst); best.empty() || total < least)
      least = total, best = search.choice();
  for (std::size_t r = 0; r < selection.regions.size(); ++r)
    selection.regions[r].chosen = selection.regions[r].alternatives[best[r]];
}

std::string layoutSignature(const Candidate& candidate) {
  std::vector<std::string> in, out;
  for (const Layout& layout : candidate.inputLayouts) in.push_back(toString(layout));
  for (const Layout& layout : candidate.outputLayouts) out.push_back(toString(layout));
  return fmt::format("{} -> {}", fmt::join(in, ", "), fmt::join(out, ", "));
}

}  // namespace layerwise
