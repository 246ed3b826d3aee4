#include "layerwise/opencl.h"

#ifdef LAYERWISE_HAS_OPENCL
#include <fmt/format.h>

#include "backends/opencl/discovery.h"
#endif

namespace layerwise {

std::vector<OpenClDevice> openClDevices() {
  std::vector<OpenClDevice> list;
#ifdef LAYERWISE_HAS_OPENCL
  for (std::size_t i = 0; i < opencl::devices().size(); ++i) {
    const opencl::Device& device = *opencl::devices()[i];
    const opencl::DeviceInfo& info = device.info();
    const opencl::Capabilities& can = device.capabilities();
    OpenClDevice described{
        fmt::format("opencl:{}", i), info.name, info.driver, info.globalBytes, info.localBytes,
        info.computeUnits,           {}};
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

}  // namespace layerwise
