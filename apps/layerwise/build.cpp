#include "apps/common/command_line.h"
#include "apps/common/engine_source.h"
#include "apps/common/family_options.h"
#include "apps/common/profile.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {
namespace {

/// The family is what its options are declared by, so its name comes first, or behind options that
/// are no family's.
const NetworkFamily* findFamily(const Words& words) {
  if (words.empty() || words[0].starts_with('-')) return nullptr;
  return &NetworkRegistry::instance().at(words[0]);
}

}  // namespace

int buildCommand(const Words& words) {
  const NetworkFamily* family = findFamily(words);
  CommandLine line(
      {.program = "layerwise build",
       .summary =
           "Builds an engine from the weights of any network that 'layerwise networks' lists.",
       .usage = {"NETWORK WEIGHTS ENGINE [OPTIONS]"},
       .examples = {"layerwise build resnet resnet18.wts resnet18.engine",
                    "layerwise build yolov5 yolov5s.wts yolov5s.engine --batch 8 --raw",
                    "layerwise build yolov5 x.wts x.engine --minShapes=images:1x3x320x320 "
                    "--optShapes=images:1x3x640x640 --maxShapes=images:4x3x640x640"}});
  line.option("minShapes", "SHAPES", "Smallest shapes, as in images:1x3x320x320");
  line.option("optShapes", "SHAPES", "Shapes to tune for");
  line.option("maxShapes", "SHAPES", "Largest shapes");
  declareDeviceOptions(line);
  declareBuildOptions(line);
  if (family) declareFamilyOptions(line, *family);
  if (!line.parse(words)) return 0;
  const auto& positional = line.positional();
  if (!family || positional.size() != 3)
    throw UsageError("[command line] NETWORK WEIGHTS ENGINE needed, in this order");

  const NetworkChoice choice{
      family->name, readFamilyOptions(line, *family),
      readShapeRanges(line.text("minShapes"), line.text("optShapes"), line.text("maxShapes"))};
  buildToFile(positional[1], positional[2], choice, readBuildSettings(line));
  return 0;
}

}  // namespace layerwise::apps
