#include "layerwise/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/common/command_line.h"
#include "apps/common/json_file.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"

namespace layerwise::apps {
namespace {

struct Statistics {
  double min = 0.0, max = 0.0, mean = 0.0;
  std::int64_t notFinite = 0;
};

Statistics statisticsOf(const Weights& weights) {
  Statistics result;
  const auto* values = static_cast<const float*>(weights.values);
  std::int64_t finite = 0;
  for (std::int64_t i = 0; i < weights.count; ++i) {
    const double value = values[i];
    if (!std::isfinite(value)) {
      ++result.notFinite;
      continue;
    }
    result.min = finite ? std::min(result.min, value) : value;
    result.max = finite ? std::max(result.max, value) : value;
    result.mean += value;
    ++finite;
  }
  if (finite) result.mean /= static_cast<double>(finite);
  return result;
}

nlohmann::ordered_json toJson(const WeightMap& weights) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const std::string& key : weights.keys()) {
    const Statistics s = statisticsOf(weights.find(key));
    tensors.push_back({{"name", key},
                       {"count", weights.count(key)},
                       {"min", s.min},
                       {"max", s.max},
                       {"mean", s.mean},
                       {"not_finite", s.notFinite}});
  }
  return {{"tensors", tensors}, {"metadata", weights.metadata()}};
}

void print(const WeightMap& weights) {
  std::size_t width = 4;
  for (const std::string& key : weights.keys()) width = std::max(width, key.size());
  fmt::print("{:{}}  {:>10}  {:>11}  {:>11}  {:>11}\n", "name", width, "count", "min", "max",
             "mean");
  std::int64_t values = 0;
  for (const std::string& key : weights.keys()) {
    const Statistics s = statisticsOf(weights.find(key));
    values += weights.count(key);
    fmt::print("{:{}}  {:10}  {:11.4g}  {:11.4g}  {:11.4g}{}\n", key, width, weights.count(key),
               s.min, s.max, s.mean,
               s.notFinite ? fmt::format("  {} not finite", s.notFinite) : "");
  }
  fmt::print("{} tensors, {} values\n", weights.keys().size(), values);
  for (const auto& [key, value] : weights.metadata()) {
    std::string text = value;
    std::replace(text.begin(), text.end(), '\n', ',');
    constexpr std::size_t kShown = 70;
    fmt::print("{}: {}\n", key, text.size() > kShown ? text.substr(0, kShown) + "..." : text);
  }
}

}  // namespace

int weightsCommand(const Words& words) {
  CommandLine line({.program = "layerwise weights",
                    .summary = "Lists the tensors of a .wts or .wts.gz file.",
                    .usage = {"FILE [--json]"},
                    .examples = {"layerwise weights yolov5s.wts"}});
  line.flag("json", "As JSON");
  if (!line.parse(words)) return 0;
  if (line.positional().size() != 1) throw UsageError("[command line] one FILE needed");
  const WeightMap weights = WeightMap::load(line.positional()[0]);
  if (line.isSet("json"))
    writeJson("-", toJson(weights));
  else
    print(weights);
  return 0;
}

}  // namespace layerwise::apps
