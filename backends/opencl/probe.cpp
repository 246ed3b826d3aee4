#include "backends/opencl/probe.h"

#include <cstdlib>

#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

// CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV and _MINOR_NV of cl_nv_device_attribute_query.
constexpr cl_device_info kCapabilityMajor = 0x4000, kCapabilityMinor = 0x4001;

/// Whether the kernel of probe.cl for `ability` compiles and writes 42.
bool works(const Device& device, const char* ability) {
  ProgramSource source{.file = "probe.cl"};
  source.define(ability, "1");
  try {
    cl::Kernel kernel(device.program(source)->handle, "probe");
    cl_float start = 40, result = 0;
    cl::Buffer buffer = device.upload(&start, sizeof start, "a probe");
    cl::CommandQueue queue = device.createQueue(false);
    kernel.setArg(0, buffer);
    queue.enqueueNDRangeKernel(kernel, cl::NullRange, cl::NDRange(1), cl::NDRange(1));
    queue.enqueueReadBuffer(buffer, CL_TRUE, 0, sizeof result, &result);
    return result == 42;
  } catch (const cl::Error&) {
    return false;
  } catch (const Error&) {
    return false;
  }
}

int computeCapability(const cl::Device& device) {
  cl_uint major = 0, minor = 0;
  if (clGetDeviceInfo(device(), kCapabilityMajor, sizeof major, &major, nullptr) != CL_SUCCESS ||
      clGetDeviceInfo(device(), kCapabilityMinor, sizeof minor, &minor, nullptr) != CL_SUCCESS)
    return 0;
  return static_cast<int>(major * 10 + minor);
}

}  // namespace

Capabilities probe(const Device& device) {
  Capabilities found;
  std::string listed = device.handle().getInfo<CL_DEVICE_EXTENSIONS>();
  // Compilers print what they complain of. So a device's list is believed where it says no, but for
  // NVIDIA's, which does not list its half arithmetic.
  const bool nvidia = device.info().vendor.find("NVIDIA") != std::string::npos;
  auto tried = [&](const char* ability, const char* extension, bool unlisted) {
    return (unlisted || listed.find(extension) != std::string::npos) && works(device, ability);
  };
  found.halfArithmetic = tried("HALF_ARITHMETIC", "cl_khr_fp16", nvidia);
  found.doubles = tried("DOUBLES", "cl_khr_fp64", false);
  found.subgroups = tried("SUBGROUPS", "cl_khr_subgroups", false);
  if (nvidia) {
    found.computeCapability = computeCapability(device.handle());
    found.inlinePtx = works(device, "INLINE_PTX");
  }
  const char* emulate = std::getenv("LAYERWISE_OPENCL_EMULATE_PTX");
  found.emulatesPtx = !found.inlinePtx && emulate && *emulate;
  return found;
}

}  // namespace layerwise::opencl
