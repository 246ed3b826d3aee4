#include "backends/opencl/program_cache.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "backends/opencl/error.h"
#include "backends/opencl/kernel_text.h"
#include "files/file.h"

namespace layerwise::opencl {
namespace fs = std::filesystem;
namespace {

std::string cacheFolder() {
  if (const char* given = std::getenv("LAYERWISE_OPENCL_CACHE")) return given;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return (fs::path(cache) / "layerwise" / "opencl").string();
  if (const char* home = std::getenv("HOME"); home && *home)
    return (fs::path(home) / ".cache" / "layerwise" / "opencl").string();
  return {};
}

std::optional<std::string> readWhole(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  return std::string(MappedFile(path).bytes());
}

std::string hashOf(const std::string& text) {
  XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string textOf(const ProgramSource& source) {
  std::string text;
  for (const auto& [name, value] : source.defines)
    text += fmt::format("#define {} {}\n", name, value);
  return text + expandedKernelText(source.file);
}

std::string logOf(const cl::Program& program, const cl::Device& device) {
  try {
    return program.getBuildInfo<CL_PROGRAM_BUILD_LOG>(device);
  } catch (const cl::Error&) {
    return "no build log";
  }
}

}  // namespace

ProgramCache::ProgramCache(cl::Context context, cl::Device device, std::string identity)
    : context_(std::move(context)),
      device_(std::move(device)),
      identity_(std::move(identity)),
      folder_(cacheFolder()) {}

std::size_t ProgramCache::size() const {
  std::lock_guard lock(mutex_);
  return programs_.size();
}

std::shared_ptr<const Program> ProgramCache::get(const ProgramSource& source) {
  std::string text = textOf(source);
  std::string key =
      hashOf(fmt::format("{}\n{}\n{}\n{}", identity_, source.options, source.editName, text));
  std::lock_guard lock(mutex_);
  if (auto found = programs_.find(key); found != programs_.end()) return found->second;
  auto program = std::make_shared<const Program>(Program{source.file, build(source, text, key)});
  programs_.emplace(key, program);
  return program;
}

cl::Program ProgramCache::build(const ProgramSource& source, const std::string& text,
                                const std::string& key) {
  std::string subject = "opencl program " + source.file;
  std::string path = folder_.empty() ? "" : (fs::path(folder_) / (key + ".bin")).string();
  if (!path.empty())
    if (auto binary = readWhole(path)) {
      // A binary that the driver no longer takes is made again.
      try {
        return fromBinary(subject, *binary);
      } catch (const Error&) {
      }
    }
  cl::Program program;
  try {
    program = cl::Program(context_, text);
    program.build({device_}, ("-cl-std=CL1.2 " + source.options).c_str());
  } catch (const cl::Error& error) {
    throw describe(subject, error, program() ? logOf(program, device_) : "");
  }
  if (path.empty() && !source.editBinary) return program;
  std::string binary = guarded(subject, [&] { return binaryOf(program); });
  if (source.editBinary) {
    binary = source.editBinary(binary);
    program = fromBinary(subject, binary);
  }
  if (path.empty()) return program;
  // The cache is a convenience: a folder that cannot be written is none.
  try {
    fs::create_directories(folder_);
    AtomicFile file(path);
    file.write(binary);
    file.commit();
  } catch (const std::exception&) {
  }
  return program;
}

cl::Program ProgramCache::fromBinary(const std::string& subject, const std::string& binary) {
  cl::Program program;
  try {
    cl::Program::Binaries binaries{{binary.begin(), binary.end()}};
    program = cl::Program(context_, {device_}, binaries);
    program.build({device_});
    return program;
  } catch (const cl::Error& error) {
    throw describe(subject, error, program() ? logOf(program, device_) : "");
  }
}

std::string ProgramCache::binaryOf(const cl::Program& program) const {
  auto binaries = program.getInfo<CL_PROGRAM_BINARIES>();
  return {binaries.at(0).begin(), binaries.at(0).end()};
}

}  // namespace layerwise::opencl
