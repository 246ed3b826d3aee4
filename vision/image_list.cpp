#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "layerwise/dataset.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

namespace fs = std::filesystem;

bool hasImageName(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

std::vector<std::string> listImages(const std::string& folder) {
  std::vector<std::string> images;
  try {
    if (!fs::is_directory(folder)) {
      throw Error(ErrorCode::kIo, fmt::format("[folder {}] is not a folder", folder));
    }
    // Links to files are followed, links to folders are not: they could lead round in a circle.
    for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::end(entry); ++entry) {
      const bool hidden = entry->path().filename().string().starts_with('.');
      if (hidden && entry->is_directory()) entry.disable_recursion_pending();
      if (!hidden && hasImageName(entry->path()) && !entry->is_directory()) {
        images.push_back(entry->path().string());
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo,
                fmt::format("[folder {}] cannot be read: {}", folder, error.code().message()));
  }
  std::sort(images.begin(), images.end());
  return images;
}

}  // namespace layerwise
