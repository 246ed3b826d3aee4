#include "backends/opencl/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "backends/opencl/error.h"
#include "backends/opencl/host_tensor.h"

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

ClExecutor::ClExecutor(const Device& device, std::shared_ptr<ThreadPool> pool)
    : device_(device),
      pool_(std::move(pool)),
      queue_(device.createQueue(false)),
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
  return number == 0 ? arena_.buffer : io_[static_cast<std::size_t>(number) - 1].buffer;
}

void ClExecutor::setArguments(cl::Kernel& kernel, const Launch& launch, std::size_t step) const {
  cl_uint index = 0;
  auto place = [&](const cl::Buffer& buffer, std::size_t byteOffset, std::size_t elementSize) {
    kernel.setArg(index++, buffer);
    kernel.setArg(index++, static_cast<cl_ulong>(byteOffset / elementSize));
  };
  for (const Argument& argument : launch.arguments) {
    const Argument::Value& content = argument.content();
    if (auto* view = std::get_if<BufferView>(&content))
      place(bufferOf(view->buffer), view->byteOffset, sizeOf(view->type));
    else if (auto* buffer = std::get_if<cl::Buffer>(&content))
      kernel.setArg(index++, *buffer);
    else if (auto* workspace = std::get_if<Argument::Workspace>(&content))
      place(workspace_.buffer, workspace->byteOffset, workspace->elementSize);
    else if (auto* local = std::get_if<Argument::Local>(&content))
      kernel.setArg(index++, cl::Local(local->bytes));
    else if (std::get_if<Argument::Failure>(&content))
      place(failures_.buffer, step * sizeof(cl_int), sizeof(cl_int));
    else if (std::get_if<Argument::Counters>(&content))
      kernel.setArg(index++, counters_.buffer);
    else if (auto* bytes = std::get_if<Argument::Bytes>(&content))
      kernel.setArg(index++, bytes->size(), bytes->data());
  }
}

void ClExecutor::prepare(std::span<const BoundStep> steps, std::size_t arenaBytes,
                         std::span<const IoBuffer> io) {
  std::size_t workspace = 0;
  bool mayFail = false, counts = false;
  for (const BoundStep& bound : steps)
    if (auto* step = dynamic_cast<const ClStep*>(bound.step.get())) {
      workspace = std::max(workspace, step->workspaceBytes());
      mayFail = mayFail || step->mayFail();
      for (const Launch& launch : step->launches())
        for (const Argument& argument : launch.arguments)
          counts = counts || std::holds_alternative<Argument::Counters>(argument.content());
    }
  bound_.clear();
  reasons_.assign(mayFail ? steps.size() : 0, 0);
  if (mayFail) {
    grow(failures_, steps.size() * sizeof(cl_int), "the steps' failures");
    guarded(subject_, [&] { resetFailures(queue_); });
  }
  if (counts && !counters_.buffer()) {
    std::vector<cl_int> zeros(Argument::kCounters, 0);
    counters_ = {device_.upload(zeros, "counters"), zeros.size() * sizeof(cl_int)};
  }
  grow(arena_, arenaBytes, "the arena");
  grow(workspace_, workspace, "the workspace");
  io_.resize(io.size());
  ioInfo_.assign(io.begin(), io.end());
  for (std::size_t i = 0; i < io.size(); ++i) grow(io_[i], io[i].bytes, "inputs and outputs");
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
}

std::size_t ClExecutor::memoryBytes() const {
  std::size_t bytes = arena_.bytes + workspace_.bytes + counters_.bytes;
  for (const Memory& memory : io_) bytes += memory.bytes;
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

void ClExecutor::run(std::span<const BoundStep> steps, std::span<void* const> io,
                     Profiler* profiler,
                     const std::function<void(std::string_view, const TensorView&)>& listener) {
  if (profiler && !profilingQueue_)
    profilingQueue_ = std::make_unique<cl::CommandQueue>(device_.createQueue(true));
  cl::CommandQueue& queue = profiler ? *profilingQueue_ : queue_;
  try {
    runSteps(steps, io, profiler, listener, queue);
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

void ClExecutor::runSteps(std::span<const BoundStep> steps, std::span<void* const> io,
                          Profiler* profiler,
                          const std::function<void(std::string_view, const TensorView&)>& listener,
                          cl::CommandQueue& queue) {
  for (std::size_t i = 0; i < io.size(); ++i)
    if (ioInfo_[i].written && ioInfo_[i].bytes)
      queue.enqueueWriteBuffer(io_[i].buffer, CL_FALSE, 0, ioInfo_[i].bytes, io[i]);
  std::vector<std::vector<cl::Event>> events(profiler ? steps.size() : 0);
  std::vector<double> hostSeconds(events.size(), 0);
  for (std::size_t s = 0; s < steps.size(); ++s) {
    if (auto* host = dynamic_cast<const HostStep*>(steps[s].step.get())) {
      queue.finish();
      auto start = Clock::now();
      runOnHost(*host, queue);
      if (profiler) hostSeconds[s] = std::chrono::duration<double>(Clock::now() - start).count();
    }
    for (const Bound& bound : bound_[s]) {
      const auto &global = bound.launch->global, &local = bound.launch->local;
      cl::Event* event = profiler ? &events[s].emplace_back() : nullptr;
      try {
        queue.enqueueNDRangeKernel(bound.kernel, cl::NullRange,
                                   cl::NDRange(global[0], global[1], global[2]),
                                   cl::NDRange(local[0], local[1], local[2]), nullptr, event);
      } catch (const cl::Error& error) {
        throw describe(
            fmt::format("opencl kernel {} of {}", bound.launch->kernel, steps[s].layers), error,
            fmt::format("{} work items in groups of {}; the context holds {} bytes",
                        fmt::join(global, " x "), fmt::join(local, " x "), memoryBytes()));
      }
    }
    if (listener)
      for (const auto& [name, view] : steps[s].outputs) {
        HostTensor tensor(view);
        tensor.fetch(queue, bufferOf(view.buffer));
        listener(name, tensor.view());
      }
  }
  for (std::size_t i = 0; i < io.size(); ++i)
    if (ioInfo_[i].read && ioInfo_[i].bytes)
      queue.enqueueReadBuffer(io_[i].buffer, CL_FALSE, 0, ioInfo_[i].bytes, io[i]);
  if (!reasons_.empty())
    queue.enqueueReadBuffer(failures_.buffer, CL_FALSE, 0, reasons_.size() * sizeof(cl_int),
                            reasons_.data());
  queue.finish();
  if (std::any_of(reasons_.begin(), reasons_.end(), [](cl_int reason) { return reason != 0; })) {
    std::vector<cl_int> reasons = reasons_;
    resetFailures(queue);
    reportFailure(steps, reasons);
  }
  if (!profiler) return;
  for (std::size_t s = 0; s < steps.size(); ++s)
    profiler->report(steps[s].layers, steps[s].tactic, hostSeconds[s] + secondsOf(events[s]),
                     steps[s].flops, steps[s].bytes);
}

void ClExecutor::resetFailures(cl::CommandQueue& queue) {
  std::fill(reasons_.begin(), reasons_.end(), 0);
  queue.enqueueWriteBuffer(failures_.buffer, CL_TRUE, 0, reasons_.size() * sizeof(cl_int),
                           reasons_.data());
}

void ClExecutor::reportFailure(std::span<const BoundStep> steps,
                               const std::vector<cl_int>& reasons) {
  auto failed = std::find_if(reasons.begin(), reasons.end(), [](cl_int r) { return r != 0; });
  const BoundStep& bound = steps[static_cast<std::size_t>(failed - reasons.begin())];
  throw Error(ErrorCode::kInvalidArgument,
              static_cast<const ClStep&>(*bound.step).failureText(*failed));
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
