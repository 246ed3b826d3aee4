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
  std::vector<void*> inputMemory, outputMemory;  ///< of the device; nullptr: the host's is used
  std::vector<std::vector<std::byte>> defaults;
  std::shared_ptr<const Program> program;  ///< nullptr: the shapes changed
  Profiler* profiler = nullptr;
  std::function<void(std::string_view, const TensorView&)> listener;

  const Engine::State& build() const { return engine->state(); }

  /// The input's number, with its shape set.
  std::size_t setShape(std::string_view name, const Dims& given);
  /// Where all inputs and outputs are; throws Error for one that is not set.
  std::vector<IoMemory> memory() const;

  const Program& bound() {
    if (!program) {
      for (std::size_t i = 0; i < dims.size(); ++i)
        if (dims[i].isDynamic())
          throw Error(
              ErrorCode::kInvalidArgument,
              fmt::format("[input {}] is not set: its shape is needed", build().inputs[i].name));
      // A listener is shown whole tensors.
      program =
          build().program(dims, pool->size(), listener ? BatchOrder::kWhole : BatchOrder::kLanes);
      executor->prepare(program->steps, program->memory, program->io);
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

std::size_t ExecutionContext::State::setShape(std::string_view name, const Dims& given) {
  const std::vector<IoInfo>& known = build().inputs;
  std::size_t index = indexOf(known, name, "input");
  const IoInfo& io = known[index];
  if (given.rank() != io.dims.rank())
    throw Error(ErrorCode::kInvalidShape, fmt::format("[input {}] is {}, {} was given", name,
                                                      toString(io.dims), toString(given)));
  for (int axis = 0; axis < given.rank(); ++axis)
    if (given[axis] < io.range.min[axis] || given[axis] > io.range.max[axis])
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[input {}] {} was given: dimension {} is {}, the engine takes {} to {}",
                      name, toString(given), axis, given[axis], io.range.min[axis],
                      io.range.max[axis]));
  if (!(dims[index] == given)) {
    dims[index] = given;
    program.reset();
  }
  return index;
}

std::vector<IoMemory> ExecutionContext::State::memory() const {
  std::vector<IoMemory> io;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i] && !inputMemory[i])
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[input {}] is not set", build().inputs[i].name));
    io.push_back({inputMemory[i] ? nullptr : const_cast<void*>(inputs[i]), inputMemory[i]});
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i] && !outputMemory[i])
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[output {}] is not set", build().outputs[i].name));
    io.push_back({outputMemory[i] ? nullptr : outputs[i], outputMemory[i]});
  }
  return io;
}

std::unique_ptr<ExecutionContext> Engine::createContext(const ContextOptions& options) const {
  auto context = std::make_unique<ExecutionContext::State>();
  context->engine = shared_from_this();
  context->pool = options.pool ? options.pool
                               : std::make_shared<ThreadPool>(options.threads ? options.threads
                                                                              : state_->workers);
  context->executor = state_->backend->createExecutor(context->pool, state_->runMode);
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
  context->inputMemory.resize(state_->inputs.size(), nullptr);
  context->outputMemory.resize(state_->outputs.size(), nullptr);
  return std::make_unique<ExecutionContext>(std::move(context));
}

ExecutionContext::ExecutionContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
ExecutionContext::~ExecutionContext() = default;

const Engine& ExecutionContext::engine() const {
  return *state_->engine;
}

void ExecutionContext::setInput(std::string_view name, const void* data, const Dims& dims) {
  if (!data)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[input {}] the data pointer is null", name));
  std::size_t index = state_->setShape(name, dims);
  state_->inputs[index] = data;
  state_->inputMemory[index] = nullptr;
}

void ExecutionContext::setInputMemory(std::string_view name, void* memory, const Dims& dims) {
  if (!memory)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("[input {}] the memory is null", name));
  state_->inputMemory[state_->setShape(name, dims)] = memory;
}

void ExecutionContext::setOutput(std::string_view name, void* data) {
  std::size_t index = indexOf(state_->build().outputs, name, "output");
  state_->outputs[index] = data;
  state_->outputMemory[index] = nullptr;
}

void ExecutionContext::setOutputMemory(std::string_view name, void* memory) {
  state_->outputMemory[indexOf(state_->build().outputs, name, "output")] = memory;
}

Dims ExecutionContext::outputDims(std::string_view name) const {
  std::size_t index = indexOf(state_->build().outputs, name, "output");
  ValueId value = state_->build().graph.outputs[index].value;
  return state_->bound().shapes.values[static_cast<std::size_t>(value)].dims;
}

void ExecutionContext::run() {
  const Program& program = state_->bound();
  std::vector<IoMemory> memory = state_->memory();
  bool onDevice = std::any_of(memory.begin(), memory.end(), [](auto& io) { return io.device; });
  if (onDevice) {
    state_->executor->enqueue(program.steps, memory, nullptr, nullptr);
    return;
  }
  std::vector<void*> io;
  for (const IoMemory& m : memory) io.push_back(m.host);
  state_->executor->run(program.steps, io, state_->profiler, state_->listener);
}

void ExecutionContext::enqueue(void* queue, void** event) {
  if (!queue) throw Error(ErrorCode::kInvalidArgument, "[context] the queue is null");
  const Program& program = state_->bound();
  state_->executor->enqueue(program.steps, state_->memory(), queue, event);
}

void Executor::enqueue(std::span<const BoundStep>, std::span<const IoMemory>, void*, void**) {
  throw Error(ErrorCode::kUnsupported,
              "[context] this device has neither queues nor memory of its own");
}

void ExecutionContext::setProfiler(Profiler* profiler) {
  state_->profiler = profiler;
}

void ExecutionContext::setTensorListener(
    std::function<void(std::string_view, const TensorView&)> listener) {
  if (!listener != !state_->listener) state_->program.reset();
  state_->listener = std::move(listener);
}

std::size_t ExecutionContext::arenaBytes() const {
  return state_->executor->memoryBytes();
}

}  // namespace layerwise
