#include "backends/opencl/program_cache.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "backends/opencl/error.h"
#include "backends/opencl/kernel_text.h"
#include "files/file.h"
#include "files/gzip.h"

namespace layerwise::opencl {
namespace fs = std::filesystem;
namespace {

// A hostile file may unfold into anything.
constexpr std::size_t kMostBinaryBytes = std::size_t{64} << 20;

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

std::vector<std::shared_ptr<const Program>> ProgramCache::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Program>> programs;
  for (const auto& [key, entry] : programs_) programs.push_back(entry.program);
  return programs;
}

std::size_t ProgramCache::compilations() const {
  std::lock_guard lock(mutex_);
  return compilations_;
}

std::string ProgramCache::packedBinary(const Program& program) {
  std::lock_guard lock(mutex_);
  Entry& entry = programs_.at(program.key);
  try {
    if (entry.packed.empty()) entry.packed = gzipped(binaryOf(program.handle), program.name);
  } catch (const cl::Error&) {
  }
  return entry.packed;
}

void ProgramCache::offer(const std::string& key, std::string packed) {
  std::lock_guard lock(mutex_);
  if (!programs_.contains(key)) offered_[key] = std::move(packed);
}

std::shared_ptr<const Program> ProgramCache::get(const ProgramSource& source) {
  std::string text = textOf(source);
  std::string key =
      hashOf(fmt::format("{}\n{}\n{}\n{}", identity_, source.options, source.editName, text));
  std::lock_guard lock(mutex_);
  if (auto found = programs_.find(key); found != programs_.end()) return found->second.program;
  return programs_.emplace(key, make(source, text, key)).first->second.program;
}

std::shared_ptr<const Program> ProgramCache::fromText(const std::string& name,
                                                      const std::string& text, bool builds) {
  const std::string key = hashOf(identity_ + "\n" + text);
  std::lock_guard lock(mutex_);
  if (auto found = programs_.find(key); found != programs_.end()) return found->second.program;
  if (!builds) return nullptr;
  const cl::Program program = fromBinary("opencl program " + name, text + '\0');
  Entry entry{std::make_shared<const Program>(Program{name, key, program}), {}};
  return programs_.emplace(key, std::move(entry)).first->second.program;
}

ProgramCache::Entry ProgramCache::make(const ProgramSource& source, const std::string& text,
                                       const std::string& key) {
  const std::string path = folder_.empty() ? "" : (fs::path(folder_) / (key + ".bin.gz")).string();
  // A binary that is damaged or that the driver no longer takes is made again.
  if (auto offered = offered_.extract(key)) try {
      return unpack(source, key, std::move(offered.mapped()));
    } catch (const Error&) {
    }
  if (!path.empty()) try {
      if (auto packed = readWhole(path)) return unpack(source, key, std::move(*packed));
    } catch (const Error&) {
    }
  Entry entry = compile(source, text, key);
  if (path.empty()) return entry;
  // The cache is a convenience: a folder that cannot be written is none.
  try {
    if (entry.packed.empty()) entry.packed = gzipped(binaryOf(entry.program->handle), source.file);
    fs::create_directories(folder_);
    AtomicFile file(path);
    file.write(entry.packed);
    file.commit();
  } catch (const std::exception&) {
  }
  return entry;
}

ProgramCache::Entry ProgramCache::compile(const ProgramSource& source, const std::string& text,
                                          const std::string& key) {
  const std::string subject = "opencl program " + source.file;
  ++compilations_;
  cl::Program program;
  try {
    program = cl::Program(context_, text);
    program.build({device_}, ("-cl-std=CL1.2 " + source.options).c_str());
  } catch (const cl::Error& error) {
    throw describe(subject, error, program() ? logOf(program, device_) : "");
  }
  std::string packed;
  if (source.editBinary) {
    std::string binary = source.editBinary(guarded(subject, [&] { return binaryOf(program); }));
    program = fromBinary(subject, binary);
    // What the driver would give now is its own affair: the edited one is known to load.
    packed = gzipped(binary, subject);
  }
  return {std::make_shared<const Program>(Program{source.file, key, program}), std::move(packed)};
}

ProgramCache::Entry ProgramCache::unpack(const ProgramSource& source, const std::string& key,
                                         std::string packed) {
  const std::string subject = "opencl program " + source.file;
  const std::string binary = gunzip(
      packed, subject, [](std::string_view) {}, kMostBinaryBytes);
  return {std::make_shared<const Program>(Program{source.file, key, fromBinary(subject, binary)}),
          std::move(packed)};
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

std::string ProgramCache::binary(const Program& program) const {
  return guarded("opencl program " + program.name, [&] { return binaryOf(program.handle); });
}

std::string ProgramCache::binaryOf(const cl::Program& program) const {
  auto binaries = program.getInfo<CL_PROGRAM_BINARIES>();
  return {binaries.at(0).begin(), binaries.at(0).end()};
}

}  // namespace layerwise::opencl
