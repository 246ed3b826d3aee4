#include "backends/opencl/nvidia/wgmma.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

namespace layerwise::opencl {
namespace {

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// Products of unsigned with signed bytes came with PTX 8.4.
void raiseVersion(std::string& ptx) {
  constexpr std::string_view kDirective = ".version ";
  const std::size_t at = ptx.find(kDirective);
  int major = 0, minor = 0;
  if (at == std::string::npos ||
      std::sscanf(ptx.c_str() + at + kDirective.size(), "%d.%d", &major, &minor) != 2)
    return;
  if (major < 8 || (major == 8 && minor < 4))
    ptx.replace(at, ptx.find('\n', at) - at, ".version 8.4");
}

std::string opened(const std::string& binary) {
  std::string ptx = binary.substr(0, binary.find('\0'));
  raiseVersion(ptx);
  replaceAll(ptx, ".target sm_90,", ".target sm_90a,");
  replaceAll(ptx, "/*W", "");
  replaceAll(ptx, "W*/", "");
  ptx += '\0';  // the driver reads to there, whatever length it is given
  return ptx;
}

}  // namespace

void openWgmma(ProgramSource& source, int columns, bool integers, int registers) {
  std::string sums, numbers, factor;
  const int count = columns / 2;  // of each thread
  for (int i = 0; i < count; ++i) {
    const char* separator = i ? ", " : "";
    sums += fmt::format("{}\"+{}\"(sum[0][{}][{}])", separator, integers ? 'r' : 'f', i / 4, i % 4);
    numbers += fmt::format("{}%{}", separator, i);
  }
  for (int i = 0; i < registers; ++i)
    factor += fmt::format("{}%{}{}", i ? ", " : "{", count + i, i + 1 == registers ? "}" : "");
  if (!registers) factor = fmt::format("%{}", count);
  source.define("COLUMNS", fmt::format("\"{}\"", columns));
  source.define("SUMS", sums);
  source.define("REGISTERS", fmt::format("\"{}\"", numbers));
  source.define("MATRICES", fmt::format("\"{}, %{}\"", factor, count + std::max(registers, 1)));
  source.editBinary = opened;
  source.editName = "wgmma 2";
}

}  // namespace layerwise::opencl
