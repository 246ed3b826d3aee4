#include <fmt/format.h>

#include <filesystem>

#include "apps/common/build_settings.h"
#include "apps/common/command_line.h"
#include "apps/common/engine_source.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/engine.h"
#include "layerwise/error.h"

namespace layerwise::apps {

int retuneCommand(const Words& words) {
  CommandLine line({.program = "layerwise retune",
                    .summary = "Adds to an engine what is fastest on this device, beside what it "
                               "holds for others.",
                    .usage = {"ENGINE [TARGET]"},
                    .examples = {"layerwise retune yolov5s.engine"}});
  declareDeviceOptions(line);
  if (!line.parse(words)) return 0;
  const auto& positional = line.positional();
  if (positional.empty() || positional.size() > 2)
    throw UsageError("[command line] ENGINE [TARGET] needed");
  const std::string &from = positional.front(), &to = positional.back();
  if (std::filesystem::exists(to) && !isEngineFile(to))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[engine {}] exists and is no engine, so it is not overwritten", to));
  BuildSettings settings = readBuildSettings(line);
  // That the engine was built elsewhere is why the user is here.
  const auto engine = Engine::load(from, {settings.device, settings.threads, {}});
  throwIfInterrupted();
  engine->save(to);
  if (!settings.quiet) fmt::print("{}: {} bytes\n", to, std::filesystem::file_size(to));
  return 0;
}

}  // namespace layerwise::apps
