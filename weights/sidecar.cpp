#include "weights/sidecar.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "files/file.h"
#include "layerwise/error.h"
#include "weights/foreign_file.h"

namespace layerwise {

std::string sidecarPath(const std::string& weightsPath) {
  return weightsPath + ".json";
}

Metadata readSidecar(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  const auto bad = [&](const std::string& what) {
    return Error(ErrorCode::kBadFile, fmt::format("[metadata {}] {}", path, what));
  };
  const MappedFile file(path, "metadata");
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(file.bytes());
  } catch (const nlohmann::json::exception& error) {
    throw bad("is not JSON: " + printable(error.what(), 200));
  }
  if (!json.is_object()) throw bad(fmt::format("holds one {}, not an object", json.type_name()));
  Metadata metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string())
      throw bad(fmt::format("the value of '{}' is a {}, not a string", printable(key),
                            value.type_name()));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::string sidecarText(const Metadata& metadata, const std::string& path) {
  try {
    return nlohmann::json(metadata).dump(2) + "\n";
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[metadata {}] {}", path, printable(error.what(), 200)));
  }
}

}  // namespace layerwise
