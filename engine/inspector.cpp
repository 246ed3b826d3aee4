#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/compile.h"
#include "engine/engine_state.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const IoInfo& io) {
  return {{"name", io.name},
          {"type", toString(io.type)},
          {"dims", toString(io.dims)},
          {"min", toString(io.range.min)},
          {"opt", toString(io.range.opt)},
          {"max", toString(io.range.max)},
          {"optional", io.hasDefault}};
}

Json describe(const Graph& graph, const Candidate& c) {
  Json layers = Json::array();
  for (NodeId id : c.nodes) {
    const Node& node = graph.node(id);
    layers.push_back(
        {{"kind", node.kind->name},
         {"name", node.name},
         {"attributes", toString(node.kind->attributes->toFields(node.attributes.get()))},
         {"merged_from", node.origin}});
  }
  return layers;
}

Json describe(const Region& region) {
  Json list = Json::array();
  for (const Candidate& c : region.alternatives) {
    bool chosen = c.tactic == region.chosen.tactic && c.parameters == region.chosen.parameters &&
                  layoutSignature(c) == layoutSignature(region.chosen);
    if (chosen) continue;
    Json entry{{"tactic", c.tactic->name()},
               {"parameters", c.parameters},
               {"layouts", layoutSignature(c)}};
    // Beyond the level's number of candidates nothing was measured.
    if (std::isfinite(c.seconds)) entry["milliseconds"] = c.seconds * 1e3;
    list.push_back(std::move(entry));
  }
  return list;
}

/// The type of what a step writes, as it lies in memory; empty for a copy between layouts.
std::string typeOf(const BoundStep& step) {
  return step.outputs.empty() ? "" : std::string(toString(step.outputs[0].second.type));
}

/// The steps, those of lanes once, with the work of all lanes.
Json stepsOf(const Program& program) {
  Json steps = Json::array();
  std::size_t inLane = 0;  // steps that the present lane has had so far
  std::size_t firstOfLanes = 0;
  int last = BoundStep::kNoLane;
  for (const BoundStep& step : program.steps) {
    if (step.lane != last) inLane = 0;
    if (step.lane == 0 && last != 0) firstOfLanes = steps.size();
    last = step.lane;
    if (step.lane > 0) {
      Json& same = steps[firstOfLanes + inLane++];
      same["flops"] = same["flops"].get<double>() + step.flops;
      same["bytes"] = same["bytes"].get<double>() + step.bytes;
      same["lanes"] = step.lane + 1;
      continue;
    }
    steps.push_back({{"layers", step.layers},
                     {"tactic", step.tactic},
                     {"type", typeOf(step)},
                     {"flops", step.flops},
                     {"bytes", step.bytes},
                     {"lanes", 0}});
  }
  return steps;
}

std::string toText(const Json& report) {
  std::string text =
      fmt::format("network   {}\ndevice    {}\nthreads   {}\nprecision {}\n",
                  report["network"].get<std::string>(), report["device"].get<std::string>(),
                  report["threads"].get<int>(), report["precision"].get<std::string>());
  const Json& metadata = report["metadata"];
  if (metadata.contains("int8.layers"))
    text += fmt::format("int8      {}\n", metadata["int8.layers"].get<std::string>());
  for (const char* side : {"inputs", "outputs"})
    for (const Json& io : report[side])
      text += fmt::format("{:<9} {} {} {}\n", side, io["name"].get<std::string>(),
                          io["type"].get<std::string>(), io["dims"].get<std::string>());
  text += fmt::format(
      "weights   {:.1f} MB\narena     {:.1f} MB\nsteps     {} of {} layers, {} reformats\n\n",
      report["weight_bytes"].get<double>() / 1e6, report["arena_bytes"].get<double>() / 1e6,
      report["steps"].size(), report["layers"].get<std::size_t>(), report["reformats"].get<int>());
  if (report.contains("code"))
    text.insert(text.size() - 1, fmt::format("code      {} programs, {:.2f} MB kept in the plan\n",
                                             report["code"]["programs"].get<std::size_t>(),
                                             report["code"]["bytes"].get<double>() / 1e6));
  text += fmt::format("{:>4}  {:<32} {:<9} {:>9} {:>9} {:>5}  {}\n", "step", "tactic", "writes",
                      "MFLOP", "MB", "lanes", "layers");
  int index = 0;
  for (const Json& step : report["steps"])
    text += fmt::format("{:>4}  {:<32} {:<9} {:>9.1f} {:>9.2f} {:>5}  {}\n", index++,
                        step["tactic"].get<std::string>(), step["type"].get<std::string>(),
                        step["flops"].get<double>() / 1e6, step["bytes"].get<double>() / 1e6,
                        step["lanes"].get<int>(), step["layers"].get<std::string>());
  if (metadata.contains("int8.sensitivity"))
    text += "\n" + metadata["int8.sensitivity"].get<std::string>();
  text +=
      fmt::format("\n{:<28} {:<46} {}\n", "chosen", "parameters", "layers; rejected candidates");
  for (const Json& region : report["regions"]) {
    std::string names;
    for (const Json& layer : region["layers"])
      names += (names.empty() ? "" : " + ") + layer["name"].get<std::string>();
    text += fmt::format("{:<28} {:<46} {}\n", region["tactic"].get<std::string>(),
                        region["parameters"].get<std::string>(), names);
    for (const Json& other : region["rejected"])
      if (other.contains("milliseconds"))
        text +=
            fmt::format("    {:<24} {:<46} {:.3f} ms{} ({})\n", other["tactic"].get<std::string>(),
                        other["parameters"].get<std::string>(), other["milliseconds"].get<double>(),
                        region["measured"].get<bool>() ? "" : " estimated",
                        other["layouts"].get<std::string>());
  }
  return text;
}

}  // namespace

std::string Engine::inspect(bool json) const {
  const State& state = *state_;
  auto program = state.program(inputDims(state.graph, &ShapeRange::opt), state.workers);
  Json report;
  report["network"] = state.graph.name;
  report["device"] = state.backend->signature();
  report["threads"] = state.workers;
  report["metadata"] = state.graph.metadata;
  report["precision"] = toString(state.graph.numerics.floatType);
  report["winograd"] = state.graph.numerics.winograd;
  report["tf32"] = state.graph.numerics.tf32;
  report["weight_only"] = state.graph.numerics.weightOnly;
  for (const IoInfo& io : state.inputs) report["inputs"].push_back(describe(io));
  for (const IoInfo& io : state.outputs) report["outputs"].push_back(describe(io));
  std::size_t weightBytes = 0;
  for (const Node& node : state.graph.nodes)
    for (const ConstantData& weights : node.weights)
      weightBytes += static_cast<std::size_t>(weights.count) * sizeOf(weights.type);
  report["layers"] = state.graph.nodes.size();
  report["weight_bytes"] = weightBytes;
  report["arena_bytes"] = program->memory.arenaBytes;
  report["reformats"] = program->reformats;
  if (state.backend->keepsCode()) {
    std::size_t codeBytes = 0;
    const std::vector<PackedBlob> code = state.compiledCode();
    for (const PackedBlob& blob : code) codeBytes += blob.size;
    report["code"] = {{"programs", code.size()}, {"bytes", codeBytes}};
  }
  report["steps"] = stepsOf(*program);
  report["regions"] = Json::array();
  for (const Region& region : state.selection.regions)
    report["regions"].push_back({{"layers", describe(state.graph, region.chosen)},
                                 {"tactic", region.chosen.tactic->name()},
                                 {"version", region.chosen.tactic->version()},
                                 {"parameters", region.chosen.parameters},
                                 {"layouts", layoutSignature(region.chosen)},
                                 {"milliseconds", region.chosen.seconds * 1e3},
                                 {"measured", region.measured},
                                 {"rejected", describe(region)}});
  return json ? report.dump(2) + "\n" : toText(report);
}

}  // namespace layerwise
