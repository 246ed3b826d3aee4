#include "apps/common/engine_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "apps/common/calibration_source.h"
#include "apps/common/class_names.h"
#include "apps/common/files.h"
#include "apps/common/profile.h"
#include "apps/common/program.h"
#include "apps/common/progress.h"
#include "apps/common/stopwatch.h"
#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"
#include "layerwise/weights.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPlanMagic = "LWPLAN";
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::size_t kListedKeys = 4;

bool looksLikeWeights(const std::string& path) {
  const std::string extension = extensionOf(path);
  if (extension == ".wts" || extension == ".wts.gz" || extension == ".weights") return true;
  if (extension == ".engine" || extension == ".plan" || extension == ".trt") return false;
  const std::string first = firstBytes(path, 2);
  return first == kGzipMagic ||
         (!first.empty() && std::isdigit(static_cast<unsigned char>(first[0])));
}

void refuseTarget(const std::string& target, const std::string& weights) {
  std::error_code error;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kIo, fmt::format("[engine {}] {}", target, why));
  };
  if (fs::is_directory(target, error)) refuse("is a folder, a file name is needed");
  if (fs::exists(target, error) && !isEngineFile(target))
    refuse(
        fmt::format("exists and is no engine, so it is not overwritten; the order is WEIGHTS "
                    "ENGINE, and '{}' was given as the weights",
                    weights));
  const fs::path folder = fs::path(target).parent_path();
  const std::string parent = folder.empty() ? "." : folder.string();
  if (!fs::is_directory(parent, error)) refuse(fmt::format("there is no folder {}", parent));
  if (::access(parent.c_str(), W_OK) != 0)
    refuse(fmt::format("the folder {} cannot be written to", parent));
}

std::string describeInputs(const Engine& engine) {
  std::string text;
  for (const IoInfo& input : engine.inputs()) {
    if (input.hasDefault) continue;
    if (!text.empty()) text += ", ";
    text += input.name + " " +
            (input.dims.isDynamic()
                 ? fmt::format("{} to {}", toString(input.range.min), toString(input.range.max))
                 : toString(input.dims));
  }
  return text;
}

std::string describeKeys(const BuiltEngine& built) {
  const std::size_t unused = built.unusedKeys.size();
  std::string text = fmt::format("{} used, {} unused", built.keys - unused, unused);
  if (unused == 0) return text;
  const std::size_t listed = std::min(unused, kListedKeys);
  text += " (";
  for (std::size_t i = 0; i < listed; ++i) text += (i ? ", " : "") + built.unusedKeys[i];
  return text + (unused > listed ? ", ...)" : ")");
}

void report(const BuiltEngine& built, const std::string& target) {
  const Engine& engine = *built.engine;
  const std::string variant = metadataOf(engine, "variant");
  fmt::print("network  {}{}\n", metadataOf(engine, "network", engine.name()),
             variant.empty() ? "" : " " + variant);
  if (std::string task = metadataOf(engine, "task"); !task.empty())
    fmt::print("task     {}\n", task);
  if (std::string classes = metadataOf(engine, "classes"); !classes.empty()) {
    const auto names = splitLines(metadataOf(engine, "names"));
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i)
      some += (i ? ", " : "") + names[i];
    fmt::print("classes  {}{}\n", classes,
               some.empty() ? "" : fmt::format(" ({}{})", some, names.size() > 3 ? ", ..." : ""));
  }
  fmt::print("input    {}\n", describeInputs(engine));
  fmt::print("keys     {}\n", describeKeys(built));
  fmt::print("built    {:.1f} s\n", built.seconds);
  std::error_code error;
  fmt::print("engine   {}: {} bytes\n", target, fs::file_size(target, error));
}

/// Where a build in 8 bits finds its ranges, and where they are kept.
class Quantization {
 public:
  Quantization(const QuantizationSettings& settings, const Network& network, BuilderConfig& config)
      : cache_(settings.cache) {
    config.int8 = settings.int8;
    if (!settings.int8) return;
    std::error_code error;
    const bool known = !cache_.empty() && fs::exists(cache_, error);
    if (known) {
      table_ = CalibrationTable::load(cache_);
      cache_.clear();
    }
    if (!settings.folder.empty()) {
      calibrator_ = makeCalibrator(
          settings.method,
          openCalibrationSource(settings.folder, settings.images, network, config.profile),
          settings.percentile);
    }
    config.calibrator = calibrator_.get();
    config.calibrationTable = &table_;
    config.maxDrop = settings.maxDrop;
  }

  /// Writes the ranges where they were not read, and says what a budget cost.
  void finish(const Engine& engine, bool quiet) const {
    if (!cache_.empty()) table_.save(cache_);
    if (!quiet) fmt::print("{}", metadataOf(engine, "int8.sensitivity", ""));
  }

 private:
  std::string cache_;
  CalibrationTable table_;
  std::unique_ptr<Calibrator> calibrator_;
};

}  // namespace

bool isEngineFile(const std::string& path) {
  return firstBytes(path, kPlanMagic.size()) == kPlanMagic;
}

std::string metadataOf(const Engine& engine, const std::string& key, const std::string& fallback) {
  auto found = engine.metadata().find(key);
  return found == engine.metadata().end() ? fallback : found->second;
}

BuiltEngine buildFromWeights(const std::string& weights, const NetworkChoice& choice,
                             const BuildSettings& settings) {
  const auto start = Stopwatch::Clock::now();
  const WeightMap map = WeightMap::load(weights, settings.threads);
  throwIfInterrupted();
  Network network = NetworkRegistry::instance().define(choice.name, map, choice.options);

  TimingCache cache;
  if (!settings.timingCache.empty()) cache.load(settings.timingCache);
  ProgressBar bar(!settings.quiet);
  BuilderConfig config;
  config.device = settings.device;
  config.threads = settings.threads;
  config.optimizationLevel = settings.level;
  config.precision = settings.precision;
  config.winograd = settings.winograd;
  config.tf32 = settings.tf32;
  config.weightOnly = settings.weightOnly;
  config.profile = chooseProfile(network, choice.shapes, choice.extraStrides);
  config.timingCache = settings.timingCache.empty() ? nullptr : &cache;
  config.logger = settings.logger;
  config.progress = [&](double fraction, std::string_view phase) {
    bar.update(fraction, phase);
    return !interrupted();
  };

  Quantization quantization(settings.quantization, network, config);

  BuiltEngine built;
  built.engine = buildEngine(network, config);
  quantization.finish(*built.engine, settings.quiet);
  if (config.timingCache) cache.save(settings.timingCache);
  built.seconds = std::chrono::duration<double>(Stopwatch::Clock::now() - start).count();
  built.keys = map.keys().size();
  built.unusedKeys = map.unusedKeys();
  return built;
}

void buildToFile(const std::string& weights, const std::string& target,
                 const NetworkChoice& network, const BuildSettings& settings) {
  refuseTarget(target, weights);
  const BuiltEngine built = buildFromWeights(weights, network, settings);
  throwIfInterrupted();
  built.engine->save(target);
  if (!settings.quiet) report(built, target);
}

std::shared_ptr<const Engine> openEngine(const std::string& path, const NetworkChoice& network,
                                         const BuildSettings& settings) {
  if (!isEngineFile(path) && looksLikeWeights(path))
    return buildFromWeights(path, network, settings).engine;
  auto engine = Engine::load(path, {settings.device, settings.threads, settings.logger});
  const std::string held = metadataOf(*engine, "network", engine->name());
  if (!network.name.empty() && held != network.name)
    throw Error(ErrorCode::kUnsupported, fmt::format("[engine {}] holds the network '{}', not '{}'",
                                                     path, held, network.name));
  return engine;
}

}  // namespace layerwise::apps
