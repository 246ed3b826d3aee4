#include <fmt/format.h>

#include "apps/common/build_settings.h"
#include "apps/common/command_line.h"
#include "apps/common/files.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

int inspectCommand(const Words& words) {
  CommandLine line(
      {.program = "layerwise inspect",
       .summary = "Shows an engine's layers, fusions, kernels, layouts, reformats and memory.",
       .usage = {"ENGINE [--json] [--output FILE]"},
       .examples = {"layerwise inspect yolov5s.engine",
                    "layerwise inspect yolov5s.engine --json --output layers.json"}});
  line.flag("json", "As JSON");
  line.option("output", "FILE", "Write to this file instead of standard output");
  declareDeviceOptions(line);
  if (!line.parse(words)) return 0;
  if (line.positional().size() != 1) throw UsageError("[command line] one ENGINE needed");
  const BuildSettings settings = readBuildSettings(line);
  const auto engine =
      Engine::load(line.positional()[0], {settings.device, settings.threads, settings.logger});
  std::string text = engine->inspect(line.isSet("json"));
  if (!text.ends_with('\n')) text += '\n';
  if (line.given("output"))
    writeFile(line.text("output"), text, "report");
  else
    fmt::print("{}", text);
  return 0;
}

}  // namespace layerwise::apps
