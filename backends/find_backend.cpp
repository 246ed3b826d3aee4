#include <fmt/format.h>

#include "backends/cpu/backend.h"
#include "layerwise/error.h"
#ifdef LAYERWISE_HAS_OPENCL
#include "backends/opencl/backend.h"
#endif

namespace layerwise {

const Backend& findBackend(std::string_view device) {
  if (device == "cpu") return cpu::backend();
#ifdef LAYERWISE_HAS_OPENCL
  if (const Backend* found = opencl::findBackend(device)) return *found;
  std::vector<std::string> names = opencl::deviceNames();
  throw Error(
      ErrorCode::kDevice,
      fmt::format(
          "[device {}] there is no such device; looked for cpu, opencl, opencl:N and a part "
          "of an OpenCL device's name; there is: cpu{}{}",
          device, names.empty() ? ", and no OpenCL device" : ", ", fmt::join(names, ", ")));
#else
  throw Error(ErrorCode::kDevice,
              fmt::format("[device {}] there is no such device; there is: cpu (this build has no "
                          "OpenCL backend)",
                          device));
#endif
}

DevicePeak measurePeak(const std::string& device, int threads) {
  return findBackend(device).measurePeak(threads);
}

}  // namespace layerwise
