#include "backends/opencl/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "backends/opencl/cost.h"
#include "backends/opencl/error.h"
#include "backends/opencl/host_tensor.h"
#include "backends/opencl/nvidia/merged_order.h"

namespace layerwise::opencl {
namespace {

// More than any GPU's last cache.
constexpr std::size_t kPolluterBytes = 128 << 20;
constexpr std::size_t kCpuPolluterBytes = 16 << 20;

using Clock = std::chrono::steady_clock;

double secondsOf(const std::vector<cl::Event>& events) {
  double nanoseconds = 0;
  for (const cl::Event& event : events)
    nanoseconds += static_cast<double>(event.getProfilingInfo<CL_PROFILING_COMMAND_END>() -
                                       event.getProfilingInfo<CL_PROFILING_COMMAND_START>());
  return nanoseconds * 1e-9;
}

}  // namespace

ClExecutor::ClExecutor(const Device& device, std::shared_ptr<ThreadPool> pool,
                       std::optional<MergeOptions> merge)
    : device_(device),
      pool_(std::move(pool)),
      queue_(device.createQueue(false)),
      merge_(merge),
      subject_("opencl " + device.info().name) {}

ClExecutor::~ClExecutor() {
  // Whatever is still under way reads and writes memory that goes now.
  clFinish(queue_());
}

void ClExecutor::grow(Memory& memory, std::size_t bytes, std::string_view purpose) {
  if (memory.buffer() && memory.bytes >= bytes) return;
  memory = {};
  memory = {device_.allocate(bytes, purpose), bytes};
}

const cl::Buffer& ClExecutor::bufferOf(int number) const {
  return number == 0 ? arena_.buffer : io_[static_cast<std::size_t>(number) - 1].bound;
}

void ClExecutor::setBuffer(cl::Kernel& kernel, cl_uint index, const Argument::Value& content) {
  if (auto* view = std::get_if<BufferView>(&content); view && view->buffer > 0) {
    // Which buffer it is, a run says.
    io_[static_cast<std::size_t>(view->buffer) - 1].uses.push_back({kernel, index});
    return;
  }
  if (std::get_if<BufferView>(&content))
    kernel.setArg(index, arena_.buffer);
  else if (auto* buffer = std::get_if<cl::Buffer>(&content))
    kernel.setArg(index, *buffer);
  else if (std::get_if<Argument::Workspace>(&content))
    kernel.setArg(index, workspace_.buffer);
  else if (std::get_if<Argument::Failure>(&content))
    kernel.setArg(index, failures_.buffer);
  else if (std::get_if<Argument::Counters>(&content))
    kernel.setArg(index, counters_.buffer);
}

void ClExecutor::setArguments(cl::Kernel& kernel, const Launch& launch, std::size_t step) {
  cl_uint index = 0;
  for (const Argument& argument : launch.arguments) {
    const Argument::Value& content = argument.content();
    if (auto* local = std::get_if<Argument::Local>(&content)) {
      kernel.setArg(index++, cl::Local(local->bytes));
    } else if (auto* bytes = std::get_if<Argument::Bytes>(&content)) {
      kernel.setArg(index++, bytes->size(), bytes->data());
    } else {
      setBuffer(kernel, index++, content);
      if (auto offset = argument.offset(step))
        kernel.setArg(index++, static_cast<cl_ulong>(*offset));
    }
  }
}

void ClExecutor::prepare(std::span<const BoundStep> steps, const WorkingMemory& memory,
                         std::span<const IoBuffer> io) {
  std::size_t workspace = 0;
  std::size_t counters = 0;
  bool mayFail = false;
  for (const BoundStep& bound : steps)
    if (auto* step = dynamic_cast<const ClStep*>(bound.step.get())) {
      workspace = std::max(workspace, step->workspaceBytes());
      mayFail = mayFail || step->mayFail();
      for (const Launch& launch : step->launches())
        for (const Argument& argument : launch.arguments)
          if (auto* wanted = std::get_if<Argument::Counters>(&argument.content()))
            counters = std::max(counters, wanted->count);
    }
  bound_.clear();
  reasons_.assign(mayFail ? steps.size() : 0, 0);
  if (mayFail) {
    grow(failures_, steps.size() * sizeof(cl_int), "the steps' failures");
    guarded(subject_, [&] { resetFailures(queue_); });
  }
  if (counters * sizeof(cl_int) > counters_.bytes) {
    std::vector<cl_int> zeros(counters, 0);
    counters_ = {device_.upload(zeros, "counters"), zeros.size() * sizeof(cl_int)};
  }
  grow(arena_, memory.arenaBytes, "the arena");
  grow(workspace_, workspace, "the workspace");
  io_.resize(io.size());
  for (std::size_t i = 0; i < io.size(); ++i) {
    io_[i].info = io[i];
    io_[i].bound = cl::Buffer();
    io_[i].uses.clear();
  }
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::vector<Bound>& made = bound_.emplace_back();
    auto* step = dynamic_cast<const ClStep*>(steps[s].step.get());
    if (!step) continue;
    for (const Launch& launch : step->launches())
      guarded("opencl kernel " + launch.kernel, [&] {
        Bound b{cl::Kernel(launch.program->handle, launch.kernel.c_str()), &launch};
        setArguments(b.kernel, launch, s);
        made.push_back(std::move(b));
      });
  }
  mergeSteps(steps);
}

void ClExecutor::mergeSteps(std::span<const BoundStep> steps) {
  merged_.clear();
  if (!merge_) return;
  std::vector<PlacedLaunch> row;
  std::vector<Bound*> places;
  auto merge = [&] {
    for (const MergedLaunch& launch : mergeLaunches(device_, row, *merge_)) {
      for (std::size_t i = launch.begin; i < launch.end; ++i) {
        places[i]->merged = static_cast<int>(merged_.size());
        places[i]->isFirst = i == launch.begin;
      }
      guarded(subject_, [&] { bindMerged(launch); });
    }
    row.clear(), places.clear();
  };
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (dynamic_cast<const HostStep*>(steps[s].step.get())) merge();
    for (Bound& bound : bound_[s]) {
      row.push_back({bound.launch, s});
      places.push_back(&bound);
    }
  }
  merge();
}

void ClExecutor::bindMerged(const MergedLaunch& launch) {
  if (!barrier_.buffer()) {
    const std::vector<std::byte> zeros(kMergedBarrierBytes);
    barrier_ = {device_.upload(zeros, "a barrier"), zeros.size()};
  }
  Merged made{cl::Kernel(launch.program->handle, MergedLaunch::kKernel), launch.groups,
              launch.threads};
  made.kernel.setArg(0, launch.table.size(), launch.table.data());
  made.kernel.setArg(1, barrier_.buffer);
  cl_uint index = 2;
  for (const Argument& buffer : launch.buffers) setBuffer(made.kernel, index++, buffer.content());
  merged_.push_back(std::move(made));
}

std::size_t ClExecutor::memoryBytes() const {
  std::size_t bytes = arena_.bytes + workspace_.bytes + counters_.bytes + barrier_.bytes;
  for (const Io& io : io_) bytes += io.own.bytes;
  return bytes;
}

void ClExecutor::coolCaches() {
  guarded(subject_, [&] {
    std::size_t bytes = device_.info().isCpu ? kCpuPolluterBytes : kPolluterBytes;
    grow(polluter_, bytes, "cooling caches");
    queue_.enqueueCopyBuffer(polluter_.buffer, polluter_.buffer, 0, bytes / 2, bytes / 2);
    queue_.finish();
  });
}

cl::CommandQueue& ClExecutor::profilingQueue() {
  if (!profilingQueue_)
    profilingQueue_ = std::make_unique<cl::CommandQueue>(device_.createQueue(true));
  return *profilingQueue_;
}

template <class F>
void ClExecutor::guardQueue(cl::CommandQueue& queue, F&& f) {
  try {
    f();
  } catch (const cl::Error& error) {
    clFinish(queue());
    throw describe(subject_, error,
                   fmt::format("the context holds {} bytes of the device's {}", memoryBytes(),
                               device_.info().globalBytes));
  } catch (...) {
    // What is under way reads and writes the caller's memory.
    clFinish(queue());
    throw;
  }
}

void ClExecutor::run(std::span<const BoundStep> steps, std::span<void* const> io,
                     Profiler* profiler,
                     const std::function<void(std::string_view, const TensorView&)>& listener) {
  std::vector<IoMemory> memory;
  for (void* host : io) memory.push_back({host, nullptr});
  cl::CommandQueue& queue = profiler ? profilingQueue() : queue_;
  guardQueue(queue, [&] { runSteps(steps, memory, profiler, listener, queue); });
}

void ClExecutor::enqueue(std::span<const BoundStep> steps, std::span<const IoMemory> io,
                         void* callersQueue, void** event) {
  if (!callersQueue) {
    guardQueue(queue_, [&] { runSteps(steps, io, nullptr, {}, queue_); });
    return;
  }
  cl::CommandQueue queue(static_cast<cl_command_queue>(callersQueue), true);
  bool waits = !reasons_.empty();
  for (const BoundStep& step : steps)
    waits = waits || dynamic_cast<const HostStep*>(step.step.get());
  guardQueue(queue, [&] {
    if (waits) {
      runSteps(steps, io, nullptr, {}, queue);
    } else {
      bindIo(io);
      enqueueInputs(io, queue);
      for (std::size_t s = 0; s < steps.size(); ++s)
        enqueueStep(s, steps[s], false, queue, nullptr);
      enqueueOutputs(io, queue);
    }
    if (!event) return;
    cl::Event marker;
    queue.enqueueMarkerWithWaitList(nullptr, &marker);
    queue.flush();
    clRetainEvent(marker());
    *event = marker();
  });
}

double ClExecutor::timedRun(std::span<const BoundStep> steps) {
  /// Adds up what is reported.
  class Sum final : public Profiler {
   public:
    void report(const Step& step) override { seconds += step.seconds; }
    double seconds = 0;
  } sum;
  run(steps, {}, &sum, {});
  double starts = 0;
  for (const auto& launches : bound_) starts += static_cast<double>(launches.size());
  return sum.seconds + starts * CostModel(device_.info()).launchSeconds;
}

cl::Buffer ClExecutor::ownOrGiven(std::size_t index, const IoMemory& memory) {
  Io& io = io_[index];
  if (!memory.device) {
    grow(io.own, io.info.bytes, "inputs and outputs");
    return io.own.buffer;
  }
  cl::Buffer given(static_cast<cl_mem>(memory.device), true);
  std::size_t bytes = given.getInfo<CL_MEM_SIZE>();
  if (bytes < io.info.bytes)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[opencl memory] a cl_mem for {} {} holds {} bytes, {} needed",
                            io.info.written ? "input" : "output", index, bytes, io.info.bytes));
  return given;
}

void ClExecutor::bindIo(std::span<const IoMemory> io) {
  for (std::size_t i = 0; i < io.size(); ++i) {
    cl::Buffer wanted = ownOrGiven(i, io[i]);
    if (wanted() == io_[i].bound()) continue;
    io_[i].bound = wanted;
    for (IoUse& use : io_[i].uses) use.kernel.setArg(use.argument, wanted);
  }
}

void ClExecutor::enqueueInputs(std::span<const IoMemory> io, cl::CommandQueue& queue) {
  for (std::size_t i = 0; i < io.size(); ++i)
    if (io_[i].info.written && io_[i].info.bytes && io[i].host)
      queue.enqueueWriteBuffer(io_[i].bound, CL_FALSE, 0, io_[i].info.bytes, io[i].host);
}

void ClExecutor::enqueueOutputs(std::span<const IoMemory> io, cl::CommandQueue& queue) {
  for (std::size_t i = 0; i < io.size(); ++i)
    if (io_[i].info.read && io_[i].info.bytes && io[i].host)
      queue.enqueueReadBuffer(io_[i].bound, CL_FALSE, 0, io_[i].info.bytes, io[i].host);
}

void ClExecutor::enqueueLaunch(const Bound& bound, const BoundStep& step, cl::CommandQueue& queue,
                               cl::Event* event) {
  const auto &global = bound.launch->global, &local = bound.launch->local;
  try {
    queue.enqueueNDRangeKernel(bound.kernel, cl::NullRange,
                               cl::NDRange(global[0], global[1], global[2]),
                               cl::NDRange(local[0], local[1], local[2]), nullptr, event);
  } catch (const cl::Error& error) {
    throw describe(fmt::format("opencl kernel {} of {}", bound.launch->kernel, step.layers), error,
                   fmt::format("{} work items in groups of {}; the context holds {} bytes",
                               fmt::join(global, " x "), fmt::join(local, " x "), memoryBytes()));
  }
}

void ClExecutor::enqueueStep(std::size_t number, const BoundStep& step, bool separately,
                             cl::CommandQueue& queue, std::vector<cl::Event>* events) {
  for (const Bound& bound : bound_[number])
    if (separately || bound.merged < 0)
      enqueueLaunch(bound, step, queue, events ? &events->emplace_back() : nullptr);
    else if (bound.isFirst)
      enqueueMerged(merged_[static_cast<std::size_t>(bound.merged)], queue);
}

void ClExecutor::enqueueMerged(const Merged& merged, cl::CommandQueue& queue) {
  MergedOrder& order = device_.mergedOrder();
  std::lock_guard lock(order.enqueuing);
  std::vector<cl::Event> before;
  if (order.done() && order.queue() != queue()) {
    order.queue.flush();
    before.push_back(order.done);
  }
  cl::Event done;
  queue.enqueueNDRangeKernel(
      merged.kernel, cl::NullRange, cl::NDRange(merged.groups * merged.threads),
      cl::NDRange(merged.threads), before.empty() ? nullptr : &before, &done);
  order.queue = queue, order.done = std::move(done);
}

void ClExecutor::runSteps(std::span<const BoundStep> steps, std::span<const IoMemory> io,
                          Profiler* profiler,
                          const std::function<void(std::string_view, const TensorView&)>& listener,
                          cl::CommandQueue& queue) {
  bindIo(io);
  enqueueInputs(io, queue);
  std::vector<std::vector<cl::Event>> events(profiler ? steps.size() : 0);
  std::vector<double> hostSeconds(events.size(), 0);
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (auto* host = dynamic_cast<const HostStep*>(steps[s].step.get())) {
      queue.finish();
      auto start = Clock::now();
      runOnHost(*host, queue);
      if (profiler) hostSeconds[s] = std::chrono::duration<double>(Clock::now() - start).count();
    }
    enqueueStep(s, steps[s], profiler || listener, queue, profiler ? &events[s] : nullptr);
    if (listener)
      for (const auto& [name, view] : steps[s].outputs) {
        HostTensor tensor(view);
        tensor.fetch(queue, bufferOf(view.buffer));
        listener(name, tensor.view());
      }
  }
  enqueueOutputs(io, queue);
  if (!reasons_.empty())
    queue.enqueueReadBuffer(failures_.buffer, CL_FALSE, 0, reasons_.size() * sizeof(cl_int),
                            reasons_.data());
  queue.finish();
  checkFailures(steps, queue);
  if (!profiler) return;
  for (std::size_t s = 0; s < steps.size(); ++s)
    profiler->report(steps[s].timed(hostSeconds[s] + secondsOf(events[s])));
}

void ClExecutor::checkFailures(std::span<const BoundStep> steps, cl::CommandQueue& queue) {
  auto failed = std::find_if(reasons_.begin(), reasons_.end(), [](cl_int r) { return r != 0; });
  if (failed == reasons_.end()) return;
  cl_int reason = *failed;
  const BoundStep& bound = steps[static_cast<std::size_t>(failed - reasons_.begin())];
  resetFailures(queue);
  throw Error(ErrorCode::kInvalidArgument,
              static_cast<const ClStep&>(*bound.step).failureText(reason));
}

void ClExecutor::resetFailures(cl::CommandQueue& queue) {
  std::fill(reasons_.begin(), reasons_.end(), 0);
  queue.enqueueWriteBuffer(failures_.buffer, CL_TRUE, 0, reasons_.size() * sizeof(cl_int),
                           reasons_.data());
}

void ClExecutor::runOnHost(const HostStep& step, cl::CommandQueue& queue) {
  std::vector<HostTensor> inputs, outputs;
  std::vector<TensorView> inputViews, outputViews;
  for (const HostOperand& operand : step.inputs()) {
    inputs.emplace_back(operand.view, operand.dense);
    inputs.back().fetch(queue, bufferOf(operand.view.buffer));
    inputViews.push_back(inputs.back().view());
  }
  for (const HostOperand& operand : step.outputs()) {
    // What lies between the elements of a slice belongs to others and goes back as it was.
    outputs.emplace_back(operand.view, operand.dense);
    outputs.back().fetch(queue, bufferOf(operand.view.buffer));
    outputViews.push_back(outputs.back().view());
  }
  step.run(inputViews, outputViews, *pool_);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    outputs[i].store(queue, bufferOf(step.outputs()[i].view.buffer));
}

}  // namespace layerwise::opencl
