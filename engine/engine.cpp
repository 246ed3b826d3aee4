#include "layerwise/engine.h"

#include <fmt/format.h>

#include "engine/compile.h"
#include "engine/engine_state.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

// Programs kept for different input shapes; each holds offsets and closures, no weights.
constexpr std::size_t kMaxPrograms = 64;

}  // namespace

std::shared_ptr<const Program> Engine::State::program(const std::vector<Dims>& dims, int threads,
                                                      BatchOrder order) const {
  std::string key = fmt::format("{} {}", threads, static_cast<int>(order));
  for (const Dims& d : dims) key += " " + toString(d);
  std::lock_guard lock(mutex_);
  if (auto found = programs_.find(key); found != programs_.end()) return found->second;
  auto bound = std::make_shared<Program>(
      bindProgram(graph, selection, packed, *backend, dims, threads, order));
  if (programs_.size() >= kMaxPrograms) programs_.erase(programs_.begin());
  programs_.emplace(key, bound);
  return bound;
}

std::vector<PackedBlob> Engine::State::compiledCode() const {
  if (!backend->keepsCode()) return {};
  return backend->compiledCode(program(inputDims(graph, &ShapeRange::opt), workers)->steps);
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

namespace {

std::shared_ptr<const Engine> compile(PlanContents plan, const LoadOptions& options) {
  CompileOptions compileOptions;
  compileOptions.device = options.device;
  compileOptions.threads = options.threads;
  compileOptions.logger = options.logger;
  compileOptions.tuned = std::move(plan.tuned);
  compileOptions.constants = std::move(plan.constants);
  return compileEngine(std::move(plan.graph), compileOptions);
}

}  // namespace

std::shared_ptr<const Engine> Engine::load(const std::string& path, const LoadOptions& options) {
  return compile(readPlanFile(path), options);
}

std::shared_ptr<const Engine> Engine::deserialize(std::span<const std::byte> plan,
                                                  const LoadOptions& options) {
  return compile(readPlan(plan), options);
}

void Engine::save(const std::string& path) const {
  writePlanFile(planContents(*state_), path);
}
std::vector<std::byte> Engine::serialize() const {
  return writePlan(planContents(*state_));
}

const std::string& Engine::name() const {
  return state_->graph.name;
}
const std::vector<IoInfo>& Engine::inputs() const {
  return state_->inputs;
}
const std::vector<IoInfo>& Engine::outputs() const {
  return state_->outputs;
}
const std::map<std::string, std::string>& Engine::metadata() const {
  return state_->graph.metadata;
}

}  // namespace layerwise
