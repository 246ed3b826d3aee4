#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/opencl/cl.h"

namespace layerwise::opencl {

/// What a program is made of. Two sources that are equal give one program.
struct ProgramSource {
  std::string file;  ///< of backends/opencl/kernels/: "map.cl"
  /// `#define NAME VALUE` lines before the text; a name may hold parameters, "FUNCTION(x)".
  std::vector<std::pair<std::string, std::string>> defines = {};
  std::string options = {};  ///< for the compiler, after "-cl-std=CL1.2"
  /// For instructions that the compiler refuses: what it made (PTX text on NVIDIA) goes through
  /// this function, and the result is what is loaded. Named, so that caches can tell edits apart.
  std::string (*editBinary)(const std::string& binary) = nullptr;
  std::string editName = {};

  void define(std::string name, std::string value) {
    defines.emplace_back(std::move(name), std::move(value));
  }
  void define(std::string name, long long value) { define(std::move(name), std::to_string(value)); }
};

/// A built program.
struct Program {
  std::string name;  ///< the file
  cl::Program handle;
};

/// The programs of a device, built when first asked for and kept; binaries also in a folder, the
/// environment variable LAYERWISE_OPENCL_CACHE or layerwise/opencl in the user's cache folder (an
/// empty value: none). Safe for concurrent calls.
class ProgramCache {
 public:
  /// `identity`: the device and its driver, part of what names a binary in the folder.
  ProgramCache(cl::Context context, cl::Device device, std::string identity);

  /// Throws Error kDevice "[opencl program map.cl] CL_BUILD_PROGRAM_FAILURE ..." with the build
  /// log.
  std::shared_ptr<const Program> get(const ProgramSource& source);
  std::size_t size() const;

 private:
  cl::Program build(const ProgramSource& source, const std::string& text, const std::string& key);
  cl::Program fromBinary(const std::string& name, const std::string& binary);
  std::string binaryOf(const cl::Program& program) const;

  cl::Context context_;
  cl::Device device_;
  std::string identity_;
  std::string folder_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Program>> programs_;
};

}  // namespace layerwise::opencl
