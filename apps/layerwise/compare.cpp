#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "apps/common/build_settings.h"
#include "apps/common/command_line.h"
#include "apps/common/program.h"
#include "apps/common/size.h"
#include "apps/layerwise/commands.h"
#include "apps/layerwise/tensors.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

constexpr double kDefaultTolerance = 1e-4;

/// The tensors of a run, inner ones first, in the order they were made.
struct Trace {
  std::vector<std::string> order;
  Arrays arrays;

  void add(const std::string& name, Array array) {
    if (arrays.emplace(name, std::move(array)).second) order.push_back(name);
  }
};

Trace trace(const Engine& engine, const Arrays& inputs, int threads) {
  Trace result;
  auto context = engine.createContext({.threads = threads});
  context->setTensorListener([&](std::string_view name, const TensorView& tensor) {
    result.add(std::string(name), copyTensor(tensor));
  });
  auto outputs = bindTensors(*context, inputs);
  context->run();
  for (auto& [name, array] : outputs) result.add(name, std::move(array));
  return result;
}

/// The counterpart of a tensor in a folder of .npy files.
std::optional<Array> readCounterpart(const std::string& folder, const std::string& name) {
  const std::string path = (fs::path(folder) / (fileNameOf(name) + ".npy")).string();
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  return readNpy(path);
}

struct Difference {
  double largest = 0.0;  ///< of a value, as a share of the reference's range
  std::string reason;    ///< where it is not a matter of size: shapes, not finite
};

Difference differenceOf(const Array& array, const Array& reference) {
  if (!(array.dims == reference.dims))
    return {std::numeric_limits<double>::infinity(),
            fmt::format("shapes {} and {}", toString(array.dims), toString(reference.dims))};
  double least = std::numeric_limits<double>::infinity(), most = -least, largest = 0.0;
  for (std::int64_t i = 0; i < array.count(); ++i) {
    const double a = array.value(i), b = reference.value(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) least = std::min(least, b), most = std::max(most, b);
      continue;
    }
    if (!std::isfinite(a) || !std::isfinite(b))
      return {std::numeric_limits<double>::infinity(), fmt::format("{} and {} at {}", a, b, i)};
    least = std::min(least, b);
    most = std::max(most, b);
    largest = std::max(largest, std::abs(a - b));
  }
  if (largest == 0.0) return {};
  // A constant tensor has no range: its size stands for it.
  const double range = most > least ? most - least : std::max(std::abs(most), 1.0);
  return {largest / range, {}};
}

}  // namespace

int compareCommand(const Words& words) {
  CommandLine line(
      {.program = "layerwise compare",
       .summary = "Compares the tensors of two engines on the same inputs, of one engine on two "
                  "devices, or of one engine with .npy\nfiles named as its tensors, and names the "
                  "first layer that differs; the exit status is 1 where one does.",
       .usage = {"ENGINE OTHER.engine|DIR [--input NAME=FILE.npy...] [OPTIONS]",
                 "ENGINE --device NAME --device OTHER [OPTIONS]"},
       .examples = {"layerwise compare a.engine b.engine",
                    "layerwise compare a.engine --device opencl --device cpu",
                    "layerwise compare a.engine dump --input images=x.npy --tolerance 1e-3"}});
  line.option("i,input", "NAME=FILE", "An input's values (default: random ones)");
  line.option("seed", "N", "Of the random values (default: 0)");
  line.option("shapes", "SHAPES", "Shapes of random inputs, as in images:1x3x640x640");
  line.option("tolerance", "X",
              "Largest difference as a share of the other's range (default: 1e-4)");
  declareDeviceOptions(line);
  if (!line.parse(words)) return 0;
  const std::vector<std::string> devices = line.texts("device");
  if (devices.size() > 2) throw UsageError("[--device] is given more than twice");
  if (line.positional().size() != 2 && !(line.positional().size() == 1 && devices.size() == 2))
    throw UsageError("[command line] ENGINE and OTHER.engine, DIR or two --device needed");
  const std::string &first = line.positional().front(), &second = line.positional().back();
  const double tolerance = line.real("tolerance", kDefaultTolerance, 0.0, 1e9);
  const BuildSettings settings = readBuildSettings(line);
  // Both engines run on the one device that is given, or each on its own.
  auto load = [&](const std::string& path, const std::string& device) {
    return Engine::load(path, {device, settings.threads, settings.logger});
  };
  const bool folder = fs::is_directory(second);

  const auto engine = load(first, devices.empty() ? settings.device : devices.front());
  Arrays inputs = readInputs(*engine, line.texts("input"));
  addRandomInputs(inputs, *engine, parseShapes(line.text("shapes"), "shapes"),
                  static_cast<std::uint64_t>(
                      line.integer("seed", 0, 0, std::numeric_limits<std::int64_t>::max())));
  const Trace ours = trace(*engine, inputs, settings.threads);
  Trace theirs;
  if (!folder) theirs = trace(*load(second, settings.device), inputs, settings.threads);

  std::string diverging, worst;
  double largest = 0.0;
  std::size_t compared = 0;
  for (const std::string& name : ours.order) {
    std::optional<Array> reference;
    if (folder)
      reference = readCounterpart(second, name);
    else if (auto found = theirs.arrays.find(name); found != theirs.arrays.end())
      reference = std::move(found->second);
    if (!reference) continue;
    ++compared;
    const Difference difference = differenceOf(ours.arrays.at(name), *reference);
    const bool differs = !(difference.largest <= tolerance);
    if (difference.largest > largest || worst.empty()) {
      largest = difference.largest;
      worst = name;
    }
    const std::string what = difference.reason.empty()
                                 ? fmt::format("{:.3g} of the range", difference.largest)
                                 : difference.reason;
    if (differs && diverging.empty()) diverging = fmt::format("{}: {}", name, what);
    if (line.isSet("verbose") || (differs && !settings.quiet))
      fmt::print("{} {}  {}\n", differs ? "differs" : "same   ", name, what);
  }
  if (compared == 0)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{}] has no tensor of the same name as one of {}", second, first));
  fmt::print("{} tensors compared of {}; the largest difference is {:.3g} of the range, in {}\n",
             compared, ours.order.size(), largest, worst);
  if (diverging.empty()) {
    fmt::print("same within {:g}\n", tolerance);
    return 0;
  }
  fmt::print("first diverging layer: {} (tolerance {:g})\n", diverging, tolerance);
  return 1;
}

}  // namespace layerwise::apps
