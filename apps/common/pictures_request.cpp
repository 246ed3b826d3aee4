#include "apps/common/pictures_request.h"

#include <fmt/format.h>

#include "apps/common/class_names.h"
#include "apps/common/engine_source.h"
#include "apps/common/program.h"
#include "layerwise/dataset.h"
#include "layerwise/error.h"

namespace layerwise::apps {

void declareOutputOptions(CommandLine& line) {
  line.option("o,out", "DIR",
              "Folder of the annotated pictures (default: _NAME in the current folder)");
  line.flag("nosave", "Write no annotated pictures");
}

std::vector<std::string> readNames(const CommandLine& line, const Engine& engine) {
  if (!line.given("names")) return splitLines(metadataOf(engine, "names"));
  const auto names = readClassNames(line.text("names"));
  const std::string classes = metadataOf(engine, "classes");
  if (!classes.empty() && classes != std::to_string(names.size()))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[class names {}] holds {} names, the engine has {} classes",
                            line.text("names"), names.size(), classes));
  return names;
}

PicturesRequest readPicturesRequest(const CommandLine& line, const Engine& engine) {
  const auto& words = line.positional();
  PicturesRequest request;
  request.files = findPictures({words.begin() + 1, words.end()});
  request.names = readNames(line, engine);
  request.out = line.text("out");
  request.json = line.text("json");
  request.save = !line.isSet("nosave");
  request.quiet = line.isSet("quiet") || request.json == "-";  // the JSON stands alone
  return request;
}

int reportUnreadable(std::int64_t named, std::int64_t met) {
  const std::int64_t all = named + met;
  if (all > 0)
    printNote(fmt::format("[images] {} file{} could not be read", all, all == 1 ? "" : "s"));
  return named > 0 ? 1 : 0;
}

}  // namespace layerwise::apps
