#include <fmt/format.h>

#include <algorithm>

#include "apps/common/command_line.h"
#include "apps/common/json_file.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {
namespace {

void print(const NetworkFamily& family) {
  fmt::print("{}  {}\n", family.name, family.description);
  std::size_t width = 0;
  for (const NetworkOption& option : family.options) width = std::max(width, option.name.size());
  for (const NetworkOption& option : family.options)
    fmt::print("  --{:{}} {}{}\n", option.name, width, option.description,
               option.defaultValue.empty() ? "" : fmt::format(" [{}]", option.defaultValue));
}

nlohmann::ordered_json toJson(const NetworkFamily& family) {
  nlohmann::ordered_json options = nlohmann::ordered_json::array();
  for (const NetworkOption& option : family.options)
    options.push_back({{"name", option.name},
                       {"default", option.defaultValue},
                       {"description", option.description}});
  return {{"name", family.name}, {"description", family.description}, {"options", options}};
}

}  // namespace

int networksCommand(const Words& words) {
  CommandLine line({.program = "layerwise networks",
                    .summary = "Lists the network families and their options, with the defaults.",
                    .usage = {"[NAME...] [--json]"},
                    .examples = {"layerwise networks", "layerwise networks yolov5 --json"}});
  line.flag("json", "As JSON");
  if (!line.parse(words)) return 0;
  const NetworkRegistry& registry = NetworkRegistry::instance();
  const auto names = line.positional().empty() ? registry.names() : line.positional();
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const std::string& name : names) {
    const NetworkFamily& family = registry.at(name);
    if (line.isSet("json"))
      all.push_back(toJson(family));
    else
      print(family);
  }
  if (line.isSet("json")) writeJson("-", all);
  return 0;
}

}  // namespace layerwise::apps
