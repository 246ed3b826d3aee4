#include <fmt/format.h>

#include "apps/common/engine_source.h"
#include "apps/common/family_options.h"
#include "apps/common/modes.h"
#include "apps/common/pictures_request.h"
#include "apps/common/program.h"
#include "apps/lane/detect.h"
#include "apps/lane/validate.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {
namespace {

/// The grids of the two data sets that the authors trained for, by name.
void applyDataset(const std::string& dataset, std::map<std::string, std::string>& options) {
  if (dataset.empty()) return;
  if (dataset == "tusimple")
    options.insert({{"cells", "100"}, {"rows", "56"}, {"lanes", "4"}});
  else if (dataset == "culane")
    options.insert({{"cells", "200"}, {"rows", "18"}, {"lanes", "4"}});
  else
    throw UsageError(fmt::format("[--dataset] '{}' is neither tusimple nor culane", dataset));
}

int run(const std::vector<std::string>& words) {
  const NetworkFamily& family = NetworkRegistry::instance().at("lane");
  CommandLine line({.program = "lane",
                    .summary = "Ultra-Fast-Lane-Detection, with one head or two.",
                    .usage = {"-s WEIGHTS ENGINE [OPTIONS]", "-d ENGINE|WEIGHTS PATH... [OPTIONS]",
                              "--val ENGINE|WEIGHTS LABELS.json [OPTIONS]"},
                    .examples = {"lane -s tusimple_18.wts lane.engine --dataset tusimple",
                                 "lane -d lane.engine road.jpg clips --out drawn --json lanes.json",
                                 "lane --val lane.engine test_label.json"}});
  declareModes(line, "Find lanes: ENGINE|WEIGHTS PATH..., files and folders of pictures",
               "TuSimple's accuracy: ENGINE|WEIGHTS and a file of its label lines");
  line.option("json", "FILE", "Write TuSimple's lines (--val: accuracy, fp, fn, images)");
  line.option("raw", "DIR",
              "Write the network's outputs as .npy, two a picture where it has two heads");
  declareOutputOptions(line);
  line.group("Building and running");
  line.option("dataset", "NAME", "-s: tusimple (100 cells, 56 rows) or culane (200, 18)");
  declareDeviceOptions(line);
  declareBuildOptions(line);
  declareFamilyOptions(line, family);
  if (!line.parse(words)) return 0;

  const Mode mode = readMode(line);
  const auto& positional = line.positional();
  NetworkChoice choice{family.name, readFamilyOptions(line, family), {}};
  applyDataset(line.text("dataset"), choice.options);
  const BuildSettings settings = readBuildSettings(line);
  if (mode == Mode::kBuild) {
    if (positional.size() != 2)
      throw UsageError("[command line] -s needs WEIGHTS and ENGINE, in this order");
    buildToFile(positional[0], positional[1], choice, settings);
    return 0;
  }
  const bool validation = mode == Mode::kValidate;
  if (positional.size() < 2 || (validation && positional.size() > 2))
    throw UsageError(validation ? "[command line] --val needs ENGINE and LABELS.json"
                                : "[command line] -d needs ENGINE and at least one PATH");
  if (!validation) findPictures({positional.begin() + 1, positional.end()});
  const auto engine = openEngine(positional[0], choice, settings);
  LaneDetector detector(engine, settings.threads);
  if (validation) return validateLanes(detector, positional[1], line.text("json"), settings.quiet);
  return detectLanes(detector, readPicturesRequest(line, *engine), line.text("raw"));
}

}  // namespace
}  // namespace layerwise::apps

int main(int argc, char** argv) {
  return layerwise::apps::runProgram("lane", argc, argv, layerwise::apps::run);
}
