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

void readPrecision(const CommandLine& line, BuildSettings& settings) {
  std::string_view given;
  for (const char* name : {"fp32", "fp32-direct", "tf32", "bf16", "bf16-weights", "fp16"}) {
    if (!line.isSet(name)) continue;
    if (!given.empty())
      throw UsageError(fmt::format("[command line] --{} and --{} exclude each other", given, name));
    given = name;
  }
  settings.winograd = given != "fp32-direct";
  settings.tf32 = given == "tf32";
  settings.weightOnly = given != "bf16-weights";
  if (given == "bf16" || given == "bf16-weights") settings.precision = DataType::kBFloat16;
  if (given == "fp16") settings.precision = DataType::kFloat16;
}

}  // namespace

void declareDeviceOptions(CommandLine& line) {
  line.option("threads", "N", "Worker threads (default: one a core)");
  line.option("device", "NAME",
              "Device to run on: cpu, opencl, opencl:N or a part of an OpenCL device's\nname "
              "(default: cpu)");
}

void declareBuildOptions(CommandLine& line) {
  line.option("builderOptimizationLevel,level", "0-5",
              "0: nothing is measured; 1 to 5: more and more kernels are timed (default: 3)");
  line.option("timingCache,timingCacheFile", "FILE",
              "Reuse the timings in this file and add to them");
  line.flag("fp32", "Compute in float32 (default)");
  line.flag("fp32-direct",
            "Compute in float32, without Winograd's algorithm or sums of TF32 products");
  line.flag("tf32", "Multiply float32 rounded to TF32 on devices that have it; sums stay float32");
  line.flag("bf16", "Allow bfloat16 between layers and in products; sums stay float32");
  line.flag("bf16-weights",
            "The same with all weights in bfloat16: none in 8 bits,\n"
            "as --bf16 may keep those of layers with more than a million");
  line.flag("fp16", "Allow float16 likewise, on devices that have it");
  declareQuantizationOptions(line);
}

BuildSettings readBuildSettings(const CommandLine& line) {
  BuildSettings settings;
  settings.device = line.text("device", settings.device);
  settings.threads = static_cast<int>(line.integer("threads", 0, 1, kMaxThreads));
  settings.level =
      static_cast<int>(line.integer("builderOptimizationLevel", kDefaultLevel, 0, kMaxLevel));
  settings.timingCache = line.text("timingCache");
  readPrecision(line, settings);
  settings.quantization = readQuantizationSettings(line);
  settings.quiet = line.isSet("quiet");
  settings.logger = makeLogger(settings.quiet, line.isSet("verbose"));
  return settings;
}

}  // namespace layerwise::apps
