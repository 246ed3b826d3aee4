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
  std::string key;   ///< a hash of device, driver, source and options
  cl::Program handle;
};

/// The programs of a device, built when first asked for and kept. A binary is packed by gzip, whose
/// checksum tells a damaged one; one that is offered is taken instead of compiling, then one from a
/// folder, the environment variable LAYERWISE_OPENCL_CACHE or layerwise/opencl in the user's cache
/// folder (an empty value: none), where what was compiled is left. Safe for concurrent calls.
class ProgramCache {
 public:
  /// `identity`: the device and its driver, part of every key.
  ProgramCache(cl::Context context, cl::Device device, std::string identity);

  /// Throws Error kDevice "[opencl program map.cl] CL_BUILD_PROGRAM_FAILURE ..." with the build
  /// log.
  std::shared_ptr<const Program> get(const ProgramSource& source);
  /// A program of text that the driver takes for a binary: PTX on NVIDIA. Where it `builds` none,
  /// nullptr stands for one that is not there.
  std::shared_ptr<const Program> fromText(const std::string& name, const std::string& text,
                                          bool builds);
  std::vector<std::shared_ptr<const Program>> all() const;
  /// How many were compiled here from their sources.
  std::size_t compilations() const;

  std::string binary(const Program& program) const;
  /// A program's binary, packed; empty where the driver gives none.
  std::string packedBinary(const Program& program);
  /// Takes the packed binary of the program of that key, should it be asked for.
  void offer(const std::string& key, std::string packed);

 private:
  struct Entry {
    std::shared_ptr<const Program> program;
    std::string packed;  ///< its binary; empty where nothing has asked for it yet
  };
  Entry make(const ProgramSource& source, const std::string& text, const std::string& key);
  Entry compile(const ProgramSource& source, const std::string& text, const std::string& key);
  Entry unpack(const ProgramSource& source, const std::string& key, std::string packed);
  cl::Program fromBinary(const std::string& name, const std::string& binary);
  std::string binaryOf(const cl::Program& program) const;

  cl::Context context_;
  cl::Device device_;
  std::string identity_;
  std::string folder_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> programs_;
  std::map<std::string, std::string> offered_;
  std::size_t compilations_ = 0;
};

}  // namespace layerwise::opencl
