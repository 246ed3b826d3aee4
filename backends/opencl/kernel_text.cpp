#include "backends/opencl/kernel_text.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <set>
#include <utility>

#include "layerwise/error.h"

namespace layerwise::opencl {

// Written by CMakeLists.txt: the end is marked by a null name.
struct KernelFile {
  const char* name;
  const char* text;
};
extern const KernelFile kKernelFiles[];

namespace {

void expand(std::string_view file, std::set<std::string, std::less<>>& seen, std::string& out) {
  if (!seen.insert(std::string(file)).second) return;
  constexpr std::string_view kInclude = "#include \"";
  std::string_view text = kernelText(file);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with(kInclude)) {
      line.remove_prefix(kInclude.size());
      expand(line.substr(0, line.find('"')), seen, out);
    } else {
      out += line;
      out += '\n';
    }
  }
}

}  // namespace

std::string_view kernelText(std::string_view file) {
  for (const KernelFile* f = kKernelFiles; f->name; ++f)
    if (file == f->name) return f->text;
  throw Error(ErrorCode::kInternal, fmt::format("[opencl] there is no kernel file '{}'", file));
}

std::string expandedKernelText(std::string_view file) {
  std::string out;
  std::set<std::string, std::less<>> seen;
  expand(file, seen, out);
  return out;
}

const std::string& kernelSetVersion() {
  static const std::string version = [] {
    std::string all;
    for (const KernelFile* f = kKernelFiles; f->name; ++f)
      all += fmt::format("{}\n{}", f->name, f->text);
    return fmt::format("{:016x}", XXH3_64bits(all.data(), all.size()));
  }();
  return version;
}

}  // namespace layerwise::opencl
