#include "apps/common/family_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/common/class_names.h"
#include "layerwise/dataset.h"

namespace layerwise::apps {

void declareFamilyOptions(CommandLine& line, const NetworkFamily& family) {
  line.group(fmt::format("Options of the network {}", family.name));
  for (const NetworkOption& option : family.options) {
    const std::string help =
        option.description +
        (option.defaultValue.empty() ? "" : fmt::format(" (default: {})", option.defaultValue));
    if (option.defaultValue == "true" || option.defaultValue == "false")
      line.optionalValue(option.name, "true|false", "true", help);
    else
      line.option(option.name == "imgsz" ? "imgsz,size" : option.name, "VALUE", help);
  }
}

std::map<std::string, std::string> readFamilyOptions(const CommandLine& line,
                                                     const NetworkFamily& family) {
  std::map<std::string, std::string> values;
  for (const NetworkOption& option : family.options) {
    if (!line.given(option.name)) continue;
    std::string value = line.text(option.name);
    std::error_code error;
    if (option.name == "names" && std::filesystem::is_regular_file(value, error))
      value = joinLines(readClassNames(value));
    values[option.name] = std::move(value);
  }
  return values;
}

}  // namespace layerwise::apps
