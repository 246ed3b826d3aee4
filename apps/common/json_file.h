#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace layerwise::apps {

/// Writes JSON to a file, whole or not at all; "-" is standard output. Bytes that are no UTF-8 (a
/// file's name) become replacement characters.
void writeJson(const std::string& path, const nlohmann::ordered_json& json);

}  // namespace layerwise::apps
