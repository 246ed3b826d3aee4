#include <fmt/format.h>

#include "apps/common/nearest_word.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"

namespace layerwise::apps {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Words&);
};

constexpr Command kCommands[] = {
    {"networks", "List the network families and their options", networksCommand},
    {"build", "Build an engine from weights", buildCommand},
    {"run", "Run an engine on .npy files", runCommand},
    {"compare", "Compare two engines, or an engine with .npy files, layer by layer",
     compareCommand},
    {"bench", "Measure an engine's latency and throughput", benchCommand},
    {"inspect", "Show an engine's layers, fusions, kernels and memory", inspectCommand},
    {"retune", "Tune an engine that was built elsewhere for this device", retuneCommand},
    {"convert", "Convert weights between .wts and .wts.gz", convertCommand},
    {"weights", "List the tensors of a weights file", weightsCommand},
    {"devices", "List the devices of this machine", devicesCommand},
};

void printHelp() {
  fmt::print(
      "Builds, runs, measures and examines Layerwise engines.\n\nUsage:\n"
      "  layerwise COMMAND [OPTIONS]\n\nCommands:\n");
  for (const Command& command : kCommands) fmt::print("  {:9} {}\n", command.name, command.summary);
  fmt::print("\n'layerwise COMMAND --help' explains one.\n");
}

int run(const Words& words) {
  if (words.empty() || words[0] == "-h" || words[0] == "--help" || words[0] == "help") {
    printHelp();
    return words.empty() ? 2 : 0;
  }
  if (words[0] == "--version") {
    fmt::print("layerwise {}\n", LAYERWISE_VERSION);
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (words[0] == command.name) return command.run({words.begin() + 1, words.end()});
    names.push_back(command.name);
  }
  const std::string nearest = nearestWord(words[0], names);
  throw UsageError(fmt::format("[command {}] there is none of that name{}", words[0],
                               nearest.empty() ? "" : fmt::format("; the nearest is {}", nearest)));
}

}  // namespace
}  // namespace layerwise::apps

int main(int argc, char** argv) {
  return layerwise::apps::runProgram("layerwise", argc, argv, layerwise::apps::run);
}
