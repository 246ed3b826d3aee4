#include "apps/common/quantization_settings.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/common/program.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

constexpr int kMaxImages = 1'000'000;

}  // namespace

void declareQuantizationOptions(CommandLine& line) {
  line.flag("int8", "Compute convolutions in 8-bit integers; needs --calib or --calib-cache");
  line.option("calib", "FOLDER", "--int8: pictures (or INPUT.npy files) to learn the ranges from");
  line.option("calib-images", "N", "At most so many of them (default: 200)");
  line.option("calibrator", "NAME", "mse (default), minmax, entropy or percentile");
  line.option("percentile", "P", "What 'percentile' keeps of the values (default: 99.99)");
  line.option("calib-cache", "FILE", "The ranges: read where the file exists, written otherwise");
  line.option("max-drop", "D",
              "Keep the most sensitive layers in float until the outputs' error on calibration "
              "pictures (RMS, percent) is at most D; prints the layers");
}

QuantizationSettings readQuantizationSettings(const CommandLine& line) {
  QuantizationSettings settings;
  settings.int8 = line.isSet("int8");
  for (const char* name :
       {"calib", "calib-images", "calibrator", "percentile", "calib-cache", "max-drop"})
    if (line.given(name) && !settings.int8)
      throw UsageError(fmt::format("[command line] --{} needs --int8", name));
  settings.folder = line.text("calib");
  settings.cache = line.text("calib-cache");
  settings.images = static_cast<int>(line.integer("calib-images", settings.images, 1, kMaxImages));
  settings.percentile = line.real("percentile", settings.percentile, 0, 100);
  settings.maxDrop = line.real("max-drop", 0, 0, 1000);
  if (settings.maxDrop > 0 && settings.folder.empty())
    throw UsageError("[command line] --max-drop needs --calib FOLDER to measure on");
  if (line.given("calibrator")) {
    try {
      settings.method = calibrationMethodFromString(line.text("calibrator"));
    } catch (const Error& error) {
      throw UsageError(error.what());
    }
  }
  if (settings.int8 && settings.folder.empty()) {
    if (settings.cache.empty())
      throw UsageError("[command line] --int8 needs --calib FOLDER or --calib-cache FILE");
    if (std::error_code error; !std::filesystem::exists(settings.cache, error))
      throw UsageError(
          fmt::format("[--calib-cache {}] does not exist: --calib FOLDER is needed to make it",
                      settings.cache));
  }
  return settings;
}

}  // namespace layerwise::apps
