#include <fmt/format.h>

#include <filesystem>

#include "apps/common/command_line.h"
#include "apps/common/files.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/error.h"
#include "layerwise/weights.h"

namespace layerwise::apps {
namespace fs = std::filesystem;

int convertCommand(const Words& words) {
  CommandLine line({.program = "layerwise convert",
                    .summary = "Converts weights between .wts and .wts.gz, by the target's name.",
                    .usage = {"FROM TO"},
                    .examples = {"layerwise convert yolov5s.wts yolov5s.wts.gz"}});
  if (!line.parse(words)) return 0;
  if (line.positional().size() != 2) throw UsageError("[command line] FROM TO needed");
  const std::string &from = line.positional()[0], &to = line.positional()[1];
  const std::string extension = extensionOf(to);
  if (extension != ".wts" && extension != ".wts.gz" && extension != ".weights")
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[weights {}] the name must end in .wts, .wts.gz or .weights", to));
  std::error_code error;
  if (fs::equivalent(from, to, error))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[weights {}] is the file to be read, too", to));
  const WeightMap weights = WeightMap::load(from);
  throwIfInterrupted();
  weights.save(to);
  if (!line.isSet("quiet"))
    fmt::print("{}: {} tensors, {} bytes\n", to, weights.keys().size(), fs::file_size(to));
  return 0;
}

}  // namespace layerwise::apps
