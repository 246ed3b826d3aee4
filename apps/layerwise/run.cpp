#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "apps/common/build_settings.h"
#include "apps/common/command_line.h"
#include "apps/common/files.h"
#include "apps/common/nearest_word.h"
#include "apps/common/program.h"
#include "apps/common/size.h"
#include "apps/layerwise/commands.h"
#include "apps/layerwise/tensors.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

void print(const std::string& name, const Array& array) {
  double least = std::numeric_limits<double>::infinity(), most = -least, sum = 0.0;
  std::int64_t notFinite = 0;
  for (std::int64_t i = 0; i < array.count(); ++i) {
    const double value = array.value(i);
    if (!std::isfinite(value)) {
      ++notFinite;
      continue;
    }
    least = std::min(least, value);
    most = std::max(most, value);
    sum += value;
  }
  const std::int64_t finite = array.count() - notFinite;
  fmt::print("{}  {} {}", name, toString(array.type), toString(array.dims));
  if (finite > 0)
    fmt::print("  min {:.6g}  max {:.6g}  mean {:.6g}", least, most,
               sum / static_cast<double>(finite));
  if (notFinite) fmt::print("  {} not finite", notFinite);
  fmt::print("\n");
}

/// Writes the tensors inside the engine as they come by, each under a name of its own.
class TensorDump {
 public:
  TensorDump(std::string wanted, std::string folder)
      : wanted_(std::move(wanted)), folder_(std::move(folder)) {}

  void operator()(std::string_view name, const TensorView& tensor) {
    seen_.emplace_back(name);
    if (wanted_ != "all" && wanted_ != name) return;
    const std::string file = fileNameOf(seen_.back()) + ".npy";
    if (!files_.insert(file).second) return;
    writeNpy((std::filesystem::path(folder_) / file).string(), copyTensor(tensor));
  }

  void requireFound() const {
    if (wanted_ == "all" || !files_.empty()) return;
    const std::string nearest = nearestWord(wanted_, seen_);
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[tensor {}] is none that exists in memory{}; 'layerwise inspect' "
                            "lists the layers",
                            wanted_, nearest.empty() ? "" : "; the nearest is " + nearest));
  }

 private:
  std::string wanted_, folder_;
  std::vector<std::string> seen_;
  std::set<std::string> files_;
};

}  // namespace

int runCommand(const Words& words) {
  CommandLine line(
      {.program = "layerwise run",
       .summary = "Runs an engine once on .npy files and writes a .npy for each output.",
       .usage = {"ENGINE --input NAME=FILE.npy... [--output DIR] [OPTIONS]"},
       .examples = {"layerwise run resnet18.engine --input images=x.npy --output results",
                    "layerwise run resnet18.engine --input x.npy --output dump --tensors all",
                    "layerwise run resnet18.engine --random 1"}});
  line.option("i,input", "NAME=FILE",
              "An input's values; NAME= may be left out where there is one");
  line.option("random", "SEED", "Random values (uniform, 0 to 1) for inputs that are not given");
  line.option("shapes", "SHAPES", "Shapes of random inputs, as in images:1x3x640x640");
  line.option("o,output", "DIR", "Folder for the outputs, one NAME.npy each");
  line.option("tensors", "all|NAME", "Dump the tensors inside, too, or one of them");
  declareDeviceOptions(line);
  if (!line.parse(words)) return 0;
  if (line.positional().size() != 1) throw UsageError("[command line] one ENGINE needed");
  const std::string folder = line.text("output");
  if (line.given("tensors") && folder.empty())
    throw UsageError("[--tensors] needs --output DIR, where the tensors go");

  const BuildSettings settings = readBuildSettings(line);
  const auto engine =
      Engine::load(line.positional()[0], {settings.device, settings.threads, settings.logger});
  Arrays inputs = readInputs(*engine, line.texts("input"));
  if (line.given("random"))
    addRandomInputs(inputs, *engine, parseShapes(line.text("shapes"), "shapes"),
                    static_cast<std::uint64_t>(
                        line.integer("random", 0, 0, std::numeric_limits<std::int64_t>::max())));
  auto context = engine->createContext({.threads = settings.threads});
  TensorDump dump(line.text("tensors"), folder);
  if (line.given("tensors"))
    context->setTensorListener(
        [&](std::string_view name, const TensorView& tensor) { dump(name, tensor); });
  const auto outputs = bindTensors(*context, inputs);
  context->run();
  if (line.given("tensors")) dump.requireFound();
  for (const auto& [name, array] : outputs) {
    if (!folder.empty())
      writeNpy((std::filesystem::path(folder) / (fileNameOf(name) + ".npy")).string(), array);
    if (!settings.quiet) print(name, array);
  }
  return 0;
}

}  // namespace layerwise::apps
