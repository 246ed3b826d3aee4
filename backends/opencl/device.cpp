#include "backends/opencl/device.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/opencl/error.h"
#include "backends/opencl/nvidia/merged_order.h"
#include "backends/opencl/probe.h"

namespace layerwise::opencl {
namespace {

// Readers may overrun by 64 bytes; a buffer of none is not allowed.
constexpr std::size_t kOverrun = 256;

/// Drivers end some strings with zeros or blanks.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.pop_back();
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

DeviceInfo infoOf(const cl::Device& device, const cl::Platform& platform) {
  DeviceInfo info;
  info.name = trimmed(device.getInfo<CL_DEVICE_NAME>());
  info.vendor = trimmed(device.getInfo<CL_DEVICE_VENDOR>());
  info.driver = trimmed(device.getInfo<CL_DRIVER_VERSION>());
  info.version = trimmed(device.getInfo<CL_DEVICE_VERSION>());
  info.platform = trimmed(platform.getInfo<CL_PLATFORM_NAME>());
  info.isCpu = (device.getInfo<CL_DEVICE_TYPE>() & CL_DEVICE_TYPE_CPU) != 0;
  info.computeUnits = device.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>();
  info.clockMegahertz = device.getInfo<CL_DEVICE_MAX_CLOCK_FREQUENCY>();
  info.globalBytes = device.getInfo<CL_DEVICE_GLOBAL_MEM_SIZE>();
  info.largestAllocation = device.getInfo<CL_DEVICE_MAX_MEM_ALLOC_SIZE>();
  info.localBytes = device.getInfo<CL_DEVICE_LOCAL_MEM_SIZE>();
  info.maxGroup = device.getInfo<CL_DEVICE_MAX_WORK_GROUP_SIZE>();
  info.exactDivide =
      (device.getInfo<CL_DEVICE_SINGLE_FP_CONFIG>() & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
  return info;
}

}  // namespace

struct Device::Open {
  cl::Context context;
  std::unique_ptr<ProgramCache> programs;
  cl::CommandQueue transfers;
  MergedOrder mergedOrder;
};

Device::Device(cl::Device handle, const cl::Platform& platform) : handle_(std::move(handle)) {
  info_ = guarded("opencl", [&] { return infoOf(handle_, platform); });
  identity_ = fmt::format("{} driver {} ({})", info_.name, info_.driver, info_.version);
}

Device::~Device() = default;

const Device::Open& Device::open() const {
  std::call_once(opened_, [&] {
    guarded("opencl " + info_.name, [&] {
      auto made = std::make_unique<Open>();
      made->context = cl::Context(handle_);
      made->programs = std::make_unique<ProgramCache>(made->context, handle_, identity_);
      made->transfers = cl::CommandQueue(made->context, handle_);
      open_ = std::move(made);
    });
  });
  return *open_;
}

const cl::Context& Device::context() const {
  return open().context;
}

cl::CommandQueue Device::createQueue(bool profiling) const {
  return guarded("opencl " + info_.name, [&] {
    return cl::CommandQueue(open().context, handle_, profiling ? CL_QUEUE_PROFILING_ENABLE : 0);
  });
}

ProgramCache& Device::programs() const {
  return *open().programs;
}

MergedOrder& Device::mergedOrder() const {
  return open_->mergedOrder;
}

std::shared_ptr<const Program> Device::program(const ProgramSource& source) const {
  return programs().get(source);
}

cl::Buffer Device::allocate(std::size_t bytes, std::string_view purpose) const {
  auto refused = [&](std::string_view why) {
    return Error(ErrorCode::kOutOfMemory,
                 fmt::format("[opencl {}] {} bytes for {} were refused: {}; the device has {} "
                             "bytes, at most {} in one piece",
                             info_.name, bytes + kOverrun, purpose, why, info_.globalBytes,
                             info_.largestAllocation));
  };
  // Some drivers promise anything and fail at the first use. They also give larger pieces than
  // they say, so that the largest one is theirs to judge.
  if (bytes > info_.globalBytes) throw refused("more than there is");
  try {
    return cl::Buffer(open().context, CL_MEM_READ_WRITE, bytes + kOverrun);
  } catch (const cl::Error& error) {
    throw refused(errorName(error.err()));
  }
}

cl::Buffer Device::upload(const void* data, std::size_t bytes, std::string_view purpose) const {
  cl::Buffer buffer = allocate(bytes, purpose);
  if (bytes == 0) return buffer;
  try {
    open().transfers.enqueueWriteBuffer(buffer, CL_TRUE, 0, bytes, data);
  } catch (const cl::Error& error) {
    throw describe("opencl " + info_.name, error, fmt::format("{} bytes for {}", bytes, purpose));
  }
  return buffer;
}

const Capabilities& Device::capabilities() const {
  std::call_once(probed_, [&] { capabilities_ = probe(*this); });
  return capabilities_;
}

}  // namespace layerwise::opencl
