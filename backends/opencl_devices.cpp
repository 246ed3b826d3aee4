#include "layerwise/opencl.h"

#ifdef LAYERWISE_HAS_OPENCL
#include <fmt/format.h>

#include "backends/opencl/backend.h"
#include "backends/opencl/discovery.h"
#include "engine/engine_state.h"
#endif
#include "layerwise/error.h"

namespace layerwise {

std::vector<OpenClDevice> openClDevices() {
  std::vector<OpenClDevice> list;
#ifdef LAYERWISE_HAS_OPENCL
  for (std::size_t i = 0; i < opencl::devices().size(); ++i) {
    const opencl::Device& device = *opencl::devices()[i];
    const opencl::DeviceInfo& info = device.info();
    const opencl::Capabilities& can = device.capabilities();
    OpenClDevice described;
    described.name = fmt::format("opencl:{}", i);
    described.model = info.name;
    described.driver = info.driver;
    described.isCpu = info.isCpu;
    described.memoryBytes = info.globalBytes;
    described.localMemoryBytes = info.localBytes;
    described.computeUnits = info.computeUnits;
    if (can.halfArithmetic) described.abilities.push_back("half arithmetic");
    if (can.doubles) described.abilities.push_back("doubles");
    if (can.subgroups) described.abilities.push_back("subgroups");
    if (can.inlinePtx)
      described.abilities.push_back(fmt::format("inline PTX sm_{}", can.computeCapability));
    list.push_back(std::move(described));
  }
#endif
  return list;
}

#ifdef LAYERWISE_HAS_OPENCL
namespace {

const opencl::Device& deviceOf(const Engine& engine) {
  const opencl::Device* device = opencl::deviceOf(*engine.state().backend);
  if (!device)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[engine {}] runs on {}, not on OpenCL", engine.name(),
                            engine.state().backend->name()));
  return *device;
}

}  // namespace

cl_context openClContext(const Engine& engine) {
  return deviceOf(engine).context()();
}

cl_device_id openClDevice(const Engine& engine) {
  return deviceOf(engine).handle()();
}
#else
cl_context openClContext(const Engine&) {
  throw Error(ErrorCode::kUnsupported, "[opencl] this build has no OpenCL backend");
}

cl_device_id openClDevice(const Engine&) {
  throw Error(ErrorCode::kUnsupported, "[opencl] this build has no OpenCL backend");
}
#endif

}  // namespace layerwise
