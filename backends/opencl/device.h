#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/program_cache.h"

namespace layerwise::opencl {

struct MergedOrder;

/// What the driver says of a device.
struct DeviceInfo {
  std::string name, vendor, driver, version, platform;
  bool isCpu = false;
  unsigned computeUnits = 1;
  unsigned clockMegahertz = 0;
  std::size_t globalBytes = 0;
  std::size_t largestAllocation = 0;
  std::size_t localBytes = 0;
  std::size_t maxGroup = 1;
  bool exactDivide = false;  ///< takes -cl-fp32-correctly-rounded-divide-sqrt
};

/// What a device can do, found by compiling and running a small kernel, whatever its list of
/// extensions says.
struct Capabilities {
  bool halfArithmetic = false;
  bool doubles = false;
  bool subgroups = false;
  bool inlinePtx = false;     ///< PTX in asm statements
  int computeCapability = 0;  ///< of an NVIDIA device, 90 for 9.0; 0 elsewhere
  bool emulatesPtx = false;   ///< runs kernels in PTX as OpenCL C, slowly: for tests
};

/// An OpenCL device with its context (one a device), compiled programs and memory. Safe for
/// concurrent calls; lives as long as the process.
class Device {
 public:
  Device(cl::Device handle, const cl::Platform& platform);
  ~Device();

  const DeviceInfo& info() const { return info_; }
  /// "NVIDIA H200 driver 580.1", and what else compiled programs depend on.
  const std::string& identity() const { return identity_; }
  const Capabilities& capabilities() const;

  const cl::Device& handle() const { return handle_; }
  const cl::Context& context() const;
  cl::CommandQueue createQueue(bool profiling) const;

  ProgramCache& programs() const;
  MergedOrder& mergedOrder() const;
  /// The program, built on first use.
  std::shared_ptr<const Program> program(const ProgramSource& source) const;

  /// Device memory with room behind for readers that overrun. Throws Error kOutOfMemory saying how
  /// many bytes were needed for what.
  cl::Buffer allocate(std::size_t bytes, std::string_view purpose) const;
  /// The same, filled from the host's memory.
  cl::Buffer upload(const void* data, std::size_t bytes, std::string_view purpose) const;
  template <class T>
  cl::Buffer upload(const std::vector<T>& values, std::string_view purpose) const {
    return upload(values.data(), values.size() * sizeof(T), purpose);
  }

 private:
  struct Open;  ///< what is made when the device is first used
  const Open& open() const;

  cl::Device handle_;
  DeviceInfo info_;
  std::string identity_;
  mutable std::once_flag opened_, probed_;
  mutable std::unique_ptr<Open> open_;
  mutable Capabilities capabilities_;
};

}  // namespace layerwise::opencl
