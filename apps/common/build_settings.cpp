#include "apps/common/build_settings.h"

#include <fmt/format.h>

#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kDefaultLevel = 3;
constexpr int kMaxLevel = 5;

/// Warnings are always shown, the rest with --verbose.
Logger makeLogger(bool quiet, bool verbose) {
  return [=](Severity severity, std::string_view message) {
    if (severity == Severity::kError)
      printNote(message);
    else if (severity == Severity::kWarning && !quiet)
      printNote(fmt::format("warning: {}", message));
    else if (verbose && !quiet)
      printNote(message);
  };
}

}  // namespace

void declareDeviceOptions(CommandLine& line) {
  line.option("threads", "N", "Worker threads (default: one a core)");
  line.option("device", "NAME", "Device to run on (default: cpu)");
}

void declareBuildOptions(CommandLine& line) {
  line.option("builderOptimizationLevel,level", "0-5",
              "0: nothing is measured; 1 to 5: more and more kernels are timed (default: 3)");
  line.option("timingCache,timingCacheFile", "FILE",
              "Reuse the timings in this file and add to them");
}

BuildSettings readBuildSettings(const CommandLine& line) {
  BuildSettings settings;
  settings.device = line.text("device", settings.device);
  settings.threads = static_cast<int>(line.integer("threads", 0, 1, kMaxThreads));
  settings.level =
      static_cast<int>(line.integer("builderOptimizationLevel", kDefaultLevel, 0, kMaxLevel));
  settings.timingCache = line.text("timingCache");
  settings.quiet = line.isSet("quiet");
  settings.logger = makeLogger(settings.quiet, line.isSet("verbose"));
  return settings;
}

}  // namespace layerwise::apps
