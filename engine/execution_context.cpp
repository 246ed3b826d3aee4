#include <fmt/format.h>

#include <algorithm>

#include "engine/engine_state.h"
#include "layers/reference_tensor.h"
#include "layerwise/engine.h"
#include "layerwise/error.h"

namespace layerwise {

struct ExecutionContext::State {
  std::shared_ptr<const Engine> engine;
  std::shared_ptr<ThreadPool> pool;
  std::unique_ptr<Executor> executor;
  std::vector<Dims> dims;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  std::vector<std::vector<std::byte>> defaults;
  std::shared_ptr<const Program> program;  ///< nullptr: the shapes changed
  Profiler* profiler = nullptr;
  std::function<void(std::string_view, const TensorView&)> listener;

  const Engine::State& build() const { return engine->state(); }

  const Program& bound() {
    if (!program) {
      for (std::size_t i = 0; i < dims.size(); ++i)
        if (dims[i].isDynamic())
          throw Error(
              ErrorCode::kInvalidArgument,
              fmt::format("[input {}] is not set: its shape is needed", build().inputs[i].name));
      program = build().program(dims, pool->size());
      executor->prepare(program->steps, program->arenaBytes, program->io);
    }
    return *program;
  }
};

namespace {

std::size_t indexOf(const std::vector<IoInfo>& list, std::string_view name, std::string_view what) {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (list[i].name == name) return i;
  std::vector<std::string> names;
  for (const IoInfo& io : list) names.push_back(io.name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[{} {}] the engine has none of that name; it has: {}", what, name,
                          fmt::join(names, ", ")));
}

}  // namespace

std::unique_ptr<ExecutionContext> Engine::createContext(const ContextOptions& options) const {
  auto context = std::make_unique<ExecutionContext::State>();
  context->engine = shared_from_this();
  context->pool = options.pool ? options.pool
                               : std::make_shared<ThreadPool>(options.threads ? options.threads
                                                                              : state_->workers);
  context->executor = state_->backend->createExecutor(context->pool);
  for (const GraphInput& input : state_->graph.inputs) {
    context->dims.push_back(input.info.dims);
    context->inputs.push_back(nullptr);
    context->defaults.emplace_back();
    if (input.defaultValues.empty()) continue;
    ReferenceTensor values(input.info);
    values.values = input.defaultValues;
    context->defaults.back().resize(values.values.size() * sizeOf(input.info.type) + 64);
    values.write(context->defaults.back().data());
    context->inputs.back() = context->defaults.back().data();
  }
  context->outputs.resize(state_->outputs.size(), nullptr);
  return std::make_unique<ExecutionContext>(std::move(context));
}

ExecutionContext::ExecutionContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
ExecutionContext::~ExecutionContext() = default;

const Engine& ExecutionContext::engine() const {
  return *state_->engine;
}

void ExecutionContext::setInput(std::string_view name, const void* data, const Dims& dims) {
  const std::vector<IoInfo>& inputs = state_->build().inputs;
  std::size_t index = indexOf(inputs, name, "input");
  const IoInfo& io = inputs[index];
  if (dims.rank() != io.dims.rank())
    throw Error(ErrorCode::kInvalidShape, fmt::format("[input {}] is {}, {} was given", name,
                                                      toString(io.dims), toString(dims)));
  for (int axis = 0; axis < dims.rank(); ++axis)
    if (dims[axis] < io.range.min[axis] || dims[axis] > io.range.max[axis])
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[input {}] {} was given: dimension {} is {}, the engine takes {} to {}",
                      name, toString(dims), axis, dims[axis], io.range.min[axis],
                      io.range.max[axis]));
  if (!data)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[input {}] the data pointer is null", name));
  if (!(state_->dims[index] == dims)) {
    state_->dims[index] = dims;
    state_->program.reset();
  }
  state_->inputs[index] = data;
}

void ExecutionContext::setOutput(std::string_view name, void* data) {
  state_->outputs[indexOf(state_->build().outputs, name, "output")] = data;
}

Dims ExecutionContext::outputDims(std::string_view name) const {
  std::size_t index = indexOf(state_->build().outputs, name, "output");
  ValueId value = state_->build().graph.outputs[index].value;
  return state_->bound().shapes.values[static_cast<std::size_t>(value)].dims;
}

void ExecutionContext::run() {
  const Program& program = state_->bound();
  std::vector<void*> io;
  for (std::size_t i = 0; i < state_->inputs.size(); ++i) {
    if (!state_->inputs[i])
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[input {}] is not set", state_->build().inputs[i].name));
    io.push_back(const_cast<void*>(state_->inputs[i]));
  }
  for (std::size_t i = 0; i < state_->outputs.size(); ++i) {
    if (!state_->outputs[i])
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[output {}] is not set", state_->build().outputs[i].name));
    io.push_back(state_->outputs[i]);
  }
  state_->executor->run(program.steps, io, state_->profiler, state_->listener);
}

void ExecutionContext::setProfiler(Profiler* profiler) {
  state_->profiler = profiler;
}

void ExecutionContext::setTensorListener(
    std::function<void(std::string_view, const TensorView&)> listener) {
  state_->listener = std::move(listener);
}

std::size_t ExecutionContext::arenaBytes() const {
  return state_->executor->memoryBytes();
}

}  // namespace layerwise
