#include "backends/opencl/nvidia_wgmma.h"

#include <string>
#include <string_view>

namespace layerwise::opencl {
namespace {

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string opened(const std::string& binary) {
  std::string ptx = binary.substr(0, binary.find('\0'));
  replaceAll(ptx, ".target sm_90,", ".target sm_90a,");
  replaceAll(ptx, "/*W", "");
  replaceAll(ptx, "W*/", "");
  ptx += '\0';  // the driver reads to there, whatever length it is given
  return ptx;
}

}  // namespace

void openWgmma(ProgramSource& source) {
  source.editBinary = opened;
  source.editName = "wgmma 1";
}

}  // namespace layerwise::opencl
