#include "apps/common/output_names.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "apps/common/files.h"

namespace layerwise::apps {
namespace fs = std::filesystem;

OutputNames::OutputNames(const std::vector<InputFile>& inputs) {
  for (const InputFile& input : inputs) {
    struct stat status;
    if (::stat(input.path.c_str(), &status) == 0) inputs_.emplace(status.st_dev, status.st_ino);
  }
}

bool OutputNames::isInput(const std::string& path) const {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && inputs_.contains({status.st_dev, status.st_ino});
}

std::string OutputNames::claim(const std::string& wanted) {
  const fs::path path(wanted);
  std::string name = fs::path(wanted).lexically_normal().string();
  for (int i = 2; isInput(name) || !given_.insert(name).second; ++i)
    name = (path.parent_path() /
            fmt::format("{}_{}{}", path.stem().string(), i, path.extension().string()))
               .lexically_normal()
               .string();
  return name;
}

std::string annotatedName(const InputFile& input, const std::string& folder) {
  fs::path name(input.relative);
  const std::string extension = extensionOf(input.relative);
  if (extension != ".jpg" && extension != ".jpeg" && extension != ".png")
    name.replace_extension(".jpg");
  if (folder.empty()) return "_" + name.filename().string();
  return (fs::path(folder) / name).string();
}

std::string besideName(const InputFile& input, const std::string& folder,
                       const std::string& extension) {
  return (fs::path(folder) / fs::path(input.relative).replace_extension(extension)).string();
}

}  // namespace layerwise::apps
