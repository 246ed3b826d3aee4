#pragma once

#include <map>
#include <string>

namespace layerwise {

using Metadata = std::map<std::string, std::string>;

/// The name of the file that holds a weights file's metadata.
std::string sidecarPath(const std::string& weightsPath);

/// Reads a flat JSON object of strings; no entries where the file does not exist. Throws Error that
/// names it.
Metadata readSidecar(const std::string& path);

/// The text that readSidecar() reads back. Throws Error kInvalidArgument for text that is not
/// UTF-8.
std::string sidecarText(const Metadata& metadata, const std::string& path);

}  // namespace layerwise
