#include "engine/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "engine/run_mode.h"
#include "engine/tuning.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

/// Narrows each region that an earlier build decided to what it chose; returns how many regions
/// were not decided.
std::size_t applyChoices(const std::vector<TunedChoice>& choices, Selection& selection) {
  std::map<NodeId, const TunedChoice*> byNode;
  for (const TunedChoice& choice : choices)
    if (!choice.region.empty()) byNode[choice.region.front()] = &choice;
  std::size_t open = 0;
  for (Region& region : selection.regions) {
    auto wanted = byNode.find(region.chosen.nodes.front());
    auto match = region.alternatives.end();
    if (wanted != byNode.end())
      match = std::find_if(region.alternatives.begin(), region.alternatives.end(),
                           [&](const Candidate& c) { return isWhatWasChosen(c, *wanted->second); });
    if (match == region.alternatives.end()) {
      ++open;
      continue;
    }
    region.chosen = *match;
    region.alternatives = {region.chosen};
  }
  return open;
}

/// How an earlier build found that the whole is best run.
std::string runModeOf(const std::vector<TunedChoice>& choices) {
  auto found = std::find_if(choices.begin(), choices.end(),
                            [](const TunedChoice& c) { return c.region.empty(); });
  return found == choices.end() ? std::string() : found->tactic;
}

/// `opt`: the shapes at the inputs' ShapeRange::opt.
void describeIo(Engine::State& state, const ShapeTable& opt) {
  const Graph& graph = state.graph;
  const auto shapesAt = [&](Dims ShapeRange::*end) {
    std::vector<Dims> dims = inputDims(graph, end);
    return dims == inputDims(graph, &ShapeRange::opt) ? opt : inferShapes(graph, dims);
  };
  const ShapeTable low = shapesAt(&ShapeRange::min), high = shapesAt(&ShapeRange::max);
  for (const GraphInput& input : graph.inputs)
    state.inputs.push_back({graph.value(input.value).name, input.info.type, input.info.dims,
                            input.range, !input.defaultValues.empty()});
  for (const GraphOutput& output : graph.outputs) {
    auto id = static_cast<std::size_t>(output.value);
    IoInfo io{output.name,
              opt.values[id].type,
              opt.values[id].dims,
              {low.values[id].dims, opt.values[id].dims, high.values[id].dims},
              false};
    for (int axis = 0; axis < io.dims.rank(); ++axis)
      if (low.values[id].dims[axis] != high.values[id].dims[axis]) io.dims[axis] = -1;
    state.outputs.push_back(std::move(io));
  }
}

/// Makes ready the mode that is known, or measures which is best.
void setRunMode(Engine::State& state, const std::shared_ptr<ThreadPool>& pool) {
  const auto program = state.program(inputDims(state.graph, &ShapeRange::opt), state.workers);
  if (state.runMode.empty()) {
    state.runMode = chooseRunMode(*state.backend, *program, pool, state.logger);
  } else {
    try {
      if (!state.backend->prepareMode(program->steps, state.runMode)) state.runMode.clear();
    } catch (const Error& error) {
      // There is always the usual one.
      if (state.logger) state.logger(Severity::kWarning, error.what());
      state.runMode.clear();
    }
  }
  if (state.logger && !state.runMode.empty())
    state.logger(Severity::kVerbose,
                 fmt::format("[engine {}] runs {}", state.graph.name, state.runMode));
}

/// Calls visit(constant) for those of a candidate's layers.
template <class Visit>
void forEachConstant(const Graph& graph, const Candidate& candidate, const Visit& visit) {
  for (NodeId id : candidate.nodes)
    for (const ConstantData& constant : graph.node(id).weights) visit(constant);
}

/// Tells the logger what was chosen, region by region.
void logChoices(const Engine::State& state, const std::string& signature) {
  if (!state.logger) return;
  for (const Region& region : state.selection.regions) {
    std::string layers;
    for (NodeId id : region.chosen.nodes)
      layers += (layers.empty() ? "" : " + ") + state.graph.node(id).name;
    const std::string& parameters = region.chosen.parameters;
    state.logger(Severity::kVerbose,
                 fmt::format("[{}] {}{}{}", layers, region.chosen.tactic->name(),
                             parameters.empty() ? "" : " ", parameters));
  }
  state.logger(Severity::kInfo,
               fmt::format("[engine {}] {} layers in {} regions on {}, threads: {}",
                           state.graph.name, state.graph.nodes.size(),
                           state.selection.regions.size(), signature, state.workers));
}

}  // namespace

std::vector<Dims> inputDims(const Graph& graph, Dims ShapeRange::*end) {
  std::vector<Dims> dims;
  for (const GraphInput& input : graph.inputs) dims.push_back(input.range.*end);
  return dims;
}

PlanContents planContents(const Engine::State& state) {
  TunedSection section;
  section.device = state.backend->signature();
  section.threads = state.workers;
  for (const Dims& dims : inputDims(state.graph, &ShapeRange::opt))
    section.profile += toString(dims) + " ";
  for (const Region& region : state.selection.regions) {
    const Candidate& c = region.chosen;
    section.choices.push_back({c.nodes, std::string(c.tactic->name()), c.tactic->version(),
                               c.parameters, layoutSignature(c)});
  }
  if (!state.runMode.empty()) section.choices.push_back({{}, state.runMode, 1, "", ""});
  section.blobs = state.compiledCode();
  PlanContents contents{state.graph, state.otherDevices};
  contents.tuned.push_back(std::move(section));
  return contents;
}

std::shared_ptr<const Engine> compileEngine(Graph graph, const CompileOptions& options) {
  auto state = std::make_unique<Engine::State>();
  state->graph = std::move(graph);
  state->backend = &findBackend(options.device);
  state->logger = options.logger;
  auto pool = std::make_shared<ThreadPool>(options.threads);
  state->workers = pool->size();
  const ShapeTable shapes = inferShapes(state->graph, inputDims(state->graph, &ShapeRange::opt));
  describeIo(*state, shapes);

  const std::string signature = state->backend->signature();
  const TunedSection* own = nullptr;
  for (const TunedSection& section : options.tuned) {
    if (section.device == signature)
      own = &section;
    else
      state->otherDevices.push_back(section);
  }
  if (own) {
    state->backend->takeCode(own->blobs);
    state->runMode = runModeOf(own->choices);
  }
  const MatchContext context{state->graph, shapes, state->workers};
  std::size_t open = 0;
  std::optional<Selection> known;
  if (own) known = coverAsChosen(context, *state->backend, own->choices);
  if (known) {
    state->selection = std::move(*known);
  } else {
    if (options.constants) options.constants->checkAll();  // tactics look at weights
    state->selection = coverGraph(context, *state->backend);
    open = own ? applyChoices(own->choices, state->selection) : state->selection.regions.size();
  }
  if (open > 0) {
    if (!options.tuned.empty() && options.logger)
      options.logger(Severity::kWarning,
                     fmt::format("the engine was not built for this device ({}): {} of {} regions "
                                 "are tuned again; 'layerwise retune ENGINE' keeps the result",
                                 signature, open, state->selection.regions.size()));
    tuneRegions(context, *state->backend, {options.level, options.cache, pool, options.progress},
                state->selection);
    chooseLayouts(context, *state->backend, state->selection);
  }

  logChoices(*state, signature);
  if (options.onChosen) options.onChosen(state->graph, state->selection);

  state->packed.resize(state->selection.regions.size());
  // From the end, where the layers with most weights are: none is left over for one worker.
  std::atomic<std::size_t> left{state->packed.size()};
  pool->run([&](int) {
    for (;;) {
      std::size_t r = left.load();
      while (r > 0 && !left.compare_exchange_weak(r, r - 1)) {
      }
      if (r == 0) return;
      const Candidate& chosen = state->selection.regions[r - 1].chosen;
      const StoredConstants* stored = options.constants.get();
      if (stored)
        forEachConstant(state->graph, chosen, [&](const ConstantData& c) { stored->check(c); });
      state->packed[r - 1] = chosen.tactic->pack(state->graph, chosen);
      if (stored && state->packed[r - 1])
        forEachConstant(state->graph, chosen, [&](const ConstantData& c) { stored->release(c); });
    }
  });
  if (options.constants) {
    options.constants->checkAll();
    options.constants->releaseAll();
  }
  if (open > 0) state->runMode.clear();
  if (state->backend->hasRunModes() && (!state->runMode.empty() || (open > 0 && options.level > 0)))
    setRunMode(*state, pool);
  return std::make_shared<Engine>(std::move(state));
}

}  // namespace layerwise
