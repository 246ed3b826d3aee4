#include "apps/common/save_picture.h"

#include <filesystem>

#include "apps/common/files.h"

namespace layerwise::apps {

void savePicture(const std::string& path, const Image& image) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) makeFolder(folder.string(), "output folder");
  writeImage(path, image.view());
}

}  // namespace layerwise::apps
