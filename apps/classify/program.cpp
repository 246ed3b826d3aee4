#include "apps/classify/program.h"

#include <fmt/format.h>

#include "apps/classify/classify.h"
#include "apps/common/engine_source.h"
#include "apps/common/family_options.h"
#include "apps/common/modes.h"
#include "apps/common/pictures_request.h"
#include "apps/common/program.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {
namespace {

int run(const NetworkFamily& family, const std::string& summary,
        const std::vector<std::string>& words) {
  const std::string& name = family.name;
  CommandLine line(
      {.program = name,
       .summary = summary,
       .usage = {"-s WEIGHTS ENGINE [OPTIONS]", "-d ENGINE|WEIGHTS PATH... [OPTIONS]",
                 "--val ENGINE|WEIGHTS FOLDER|LIST|IMAGES.idx LABELS.idx [OPTIONS]"},
       .examples = {
           fmt::format("{} -s {}.wts {}.engine", name, name, name),
           fmt::format("{} -d {}.engine cat.jpg folder --topk 3 --names names.txt", name, name),
           fmt::format("{} --val {}.engine dataset --json result.json", name, name)}});
  declareModes(line, "Classify: ENGINE|WEIGHTS PATH..., files and folders of pictures",
               "Count right answers: ENGINE|WEIGHTS, a folder with a folder a class, or a file of "
               "'path class', or MNIST's pair");
  line.option("topk", "N", "Classes to print (default: 5)");
  line.option("json", "FILE", "Write the classes (--val: top1, top5, images)");
  declareOutputOptions(line);
  line.group("Building and running");
  declareDeviceOptions(line);
  declareBuildOptions(line);
  declareFamilyOptions(line, family);
  if (!line.parse(words)) return 0;

  const Mode mode = readMode(line);
  const auto& positional = line.positional();
  const NetworkChoice choice{family.name, readFamilyOptions(line, family), {}};
  const BuildSettings settings = readBuildSettings(line);
  if (mode == Mode::kBuild) {
    if (positional.size() != 2)
      throw UsageError("[command line] -s needs WEIGHTS and ENGINE, in this order");
    buildToFile(positional[0], positional[1], choice, settings);
    return 0;
  }
  if (positional.size() < 2)
    throw UsageError(mode == Mode::kValidate
                         ? "[command line] --val needs ENGINE and a data set"
                         : "[command line] -d needs ENGINE and at least one PATH");
  if (mode == Mode::kRun) findPictures({positional.begin() + 1, positional.end()});
  return classify(line, openEngine(positional[0], choice, settings), mode);
}

}  // namespace

int runClassifierProgram(const std::string& network, const std::string& summary, int argc,
                         char** argv) {
  return runProgram(network, argc, argv, [&](const std::vector<std::string>& words) {
    return run(NetworkRegistry::instance().at(network), summary, words);
  });
}

}  // namespace layerwise::apps
