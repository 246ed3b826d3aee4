#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/classify/classify.h"
#include "apps/common/class_names.h"
#include "apps/common/command_line.h"
#include "apps/common/engine_source.h"
#include "apps/common/modes.h"
#include "apps/common/pictures_request.h"
#include "apps/common/program.h"
#include "apps/yolov5/detect.h"
#include "apps/yolov5/validate.h"
#include "layerwise/dataset.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

// val.py's settings.
constexpr double kValidationConfidence = 0.001;
constexpr double kValidationIou = 0.6;
constexpr int kValidationMaxDetections = 300;
constexpr int kMaxBatch = 4096;
constexpr int kMaxBoxes = 100'000;

void declare(CommandLine& line) {
  declareModes(line, "Detect: ENGINE|WEIGHTS PATH..., files and folders of pictures",
               "Measure average precision: ENGINE|WEIGHTS DATASET");
  line.group("Detection");
  line.option("conf", "X", "Least confidence (default: 0.25; --val: 0.001)");
  line.option("iou,nms", "X",
              "Overlap that suppresses a box; also --nms (default: 0.45; --val: 0.6)");
  line.option("max-det", "N", "Most boxes a picture (default: 1000; --val: 300)");
  line.flag("agnostic,agnostic-nms", "Boxes of different classes suppress each other");
  line.numbers("classes", "Only these classes, by number");
  line.option("names", "FILE", "Class names: one a line, or a data.yaml");
  line.option("topk", "N", "Classification: classes to print (default: 5)");
  line.group("Input");
  line.option("batch,batch-size", "N", "-s: the engine takes 1 to N; -d: pictures a run");
  line.option("size,imgsz,img-size", "N|HxW", "Input size, multiples of the stride; also --imgsz");
  line.flag("rect", "Pad to the stride only, not to the whole size (needs a dynamic engine)");
  line.flag("dynamic", "-s: build for any size up to --size (--rect means it, too)");
  line.flag("raw", "-s: the decoded head becomes the output 'raw'");
  line.group("Output");
  declareOutputOptions(line);
  line.option("labels", "DIR", "Write a YOLO label file a picture: class cx cy w h score");
  line.option("json", "FILE", "Write COCO results (--val: map50, map50_95, images)");
  line.group("Building and running");
  declareDeviceOptions(line);
  declareBuildOptions(line);
}

/// The engine's build from the options that bear on it; `words` are what follows the files: a
/// variant such as "n6" or "c 0.33 0.5".
NetworkChoice networkChoice(const CommandLine& line, const std::vector<std::string>& words) {
  NetworkChoice choice{.name = "yolov5"};
  auto& options = choice.options;
  if (!words.empty()) options["variant"] = fmt::format("{}", fmt::join(words, " "));
  if (line.given("size")) options["imgsz"] = toString(parseImageSize(line.text("size"), "size"));
  if (line.given("batch"))
    options["batch"] = std::to_string(line.integer("batch", 1, 1, kMaxBatch));
  if (line.given("max-det"))
    if (const auto most = line.integer("max-det", 0, 1, kMaxBoxes); most > kReferenceMaxDetections)
      options["capacity"] = std::to_string(most);
  if (line.given("names")) options["names"] = joinLines(readClassNames(line.text("names")));
  if (line.isSet("raw")) options["raw"] = "true";
  if (line.isSet("dynamic") || line.isSet("rect")) {
    options["dynamic"] = "true";
    choice.extraStrides = 1;  // val.py's rectangles are half a stride larger
  }
  return choice;
}

DetectorOptions detectorOptions(const CommandLine& line, bool validation) {
  DetectorOptions options;
  options.confidence =
      line.real("conf", validation ? kValidationConfidence : options.confidence, 0, 1);
  options.iou = line.real("iou", validation ? kValidationIou : options.iou, 0, 1);
  options.maxDetections = static_cast<int>(
      line.integer("max-det", validation ? kValidationMaxDetections : 0, 1, kMaxBoxes));
  options.agnostic = line.isSet("agnostic");
  options.multiLabel = validation;
  options.validation = validation;
  options.rect = line.isSet("rect");
  options.classes = line.integers("classes");
  if (line.given("size")) options.size = parseImageSize(line.text("size"), "size");
  options.batch = static_cast<int>(line.integer("batch", 0, 1, kMaxBatch));
  options.threads = readBuildSettings(line).threads;
  return options;
}

int build(const CommandLine& line) {
  const std::vector<std::string>& words = line.positional();
  if (words.size() < 2)
    throw UsageError("[command line] -s needs WEIGHTS and ENGINE, in this order");
  buildToFile(words[0], words[1], networkChoice(line, {words.begin() + 2, words.end()}),
              readBuildSettings(line));
  return 0;
}

int run(const std::vector<std::string>& words) {
  CommandLine line(
      {.program = "yolov5",
       .summary = "YOLOv5 v6 and v7: detection, segmentation, classification.",
       .usage = {"-s WEIGHTS ENGINE [n|s|m|l|x|n6|...|x6|c DEPTH WIDTH] [OPTIONS]",
                 "-d ENGINE|WEIGHTS PATH... [OPTIONS]", "--val ENGINE|WEIGHTS DATASET [OPTIONS]"},
       .examples = {"yolov5 -s yolov5s.wts yolov5s.engine s",
                    "yolov5 -d yolov5s.engine bus.jpg folder --conf 0.4 --classes 0 2",
                    "yolov5 -d yolov5s.wts bus.jpg            # builds online, without a file",
                    "yolov5 --val yolov5s.engine coco8 --json result.json"}});
  declare(line);
  if (!line.parse(words)) return 0;
  const Mode mode = readMode(line);
  if (mode == Mode::kBuild) return build(line);

  const auto& positional = line.positional();
  const bool validation = mode == Mode::kValidate;
  if (positional.size() < 2)
    throw UsageError(validation ? "[command line] --val needs ENGINE and DATASET"
                                : "[command line] -d needs ENGINE and at least one PATH");
  if (validation && positional.size() > 2)
    throw UsageError(fmt::format("[{}] --val takes one DATASET", positional[2]));
  const DetectorOptions options = detectorOptions(line, validation);
  if (!validation) findPictures({positional.begin() + 1, positional.end()});
  const auto engine = openEngine(positional[0], networkChoice(line, {}), readBuildSettings(line));
  if (metadataOf(*engine, "task") == "classify") return classify(line, engine, mode);
  if (validation)
    return validate(
        engine, options,
        {positional[1], readNames(line, *engine), line.text("json"), line.isSet("quiet")});
  return detectPictures(engine, options, readPicturesRequest(line, *engine), line.text("labels"));
}

}  // namespace
}  // namespace layerwise::apps

int main(int argc, char** argv) {
  return layerwise::apps::runProgram("yolov5", argc, argv, layerwise::apps::run);
}
