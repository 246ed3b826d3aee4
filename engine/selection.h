#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/graph.h"
#include "engine/plan.h"
#include "engine/tactic.h"

namespace layerwise {

/// A connected piece of the graph that one tactic runs, and the other ways there were to run it.
struct Region {
  Candidate chosen;
  std::vector<Candidate> alternatives;  ///< all of the same nodes, the chosen one among them
  bool measured =
      false;  ///< Candidate::seconds are measurements where they are not the cost model's
};

/// A cover of the graph: every node in one region, regions in an order in which they can run.
struct Selection {
  std::vector<Region> regions;
};

/// Covers the graph: at each node the group of nodes that saves most against running them one by
/// one. Throws Error kUnsupported naming a layer that no tactic takes.
Selection coverGraph(const MatchContext& context, const Backend& backend);

/// Whether an earlier build chose this very candidate.
bool isWhatWasChosen(const Candidate& candidate, const TunedChoice& choice);

/// The cover of an earlier build, asking its tactics alone, and not about weights again; nothing
/// where one of its choices no longer exists or they do not cover the graph.
std::optional<Selection> coverAsChosen(MatchContext context, const Backend& backend,
                                       const std::vector<TunedChoice>& choices);

/// Chooses each region's candidate so that the candidates' times and the reformats between their
/// layouts sum to the least that a local search finds from several starting points.
void chooseLayouts(const MatchContext& context, const Backend& backend, Selection& selection);

/// "float32 channels_last, float32 linear -> float32 linear"
std::string layoutSignature(const Candidate& candidate);

}  // namespace layerwise
