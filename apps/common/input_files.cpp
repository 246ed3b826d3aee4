#include "apps/common/input_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/common/files.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

/// What is taken for a picture in a folder; those that cannot be read are counted there.
const std::set<std::string> kPictures{".jpg",  ".jpeg", ".png",  ".bmp",  ".webp", ".tif",
                                      ".tiff", ".gif",  ".heic", ".avif", ".pgm",  ".ppm"};
const std::set<std::string> kVideos{".mp4",  ".avi", ".mov", ".mkv",  ".webm", ".m4v", ".mpg",
                                    ".mpeg", ".wmv", ".flv", ".h264", ".h265", ".ts",  ".y4m"};

void refuseStreams(const std::string& word) {
  const auto refuse = [&](const char* kind) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[{}] is a {}: video and cameras are not part of this program; give "
                            "it pictures or folders",
                            word, kind));
  };
  const std::size_t scheme = word.find("://");
  if (scheme != word.npos && scheme > 0) refuse("network address");
  if (word.starts_with("/dev/video")) refuse("camera");
  std::error_code error;
  if (kVideos.contains(extensionOf(word)) && !fs::is_directory(word, error)) refuse("video");
  const bool digits = !word.empty() && word.find_first_not_of("0123456789") == word.npos;
  if (digits && !fs::exists(word, error)) refuse("camera");
}

class Walk {
 public:
  explicit Walk(std::vector<InputFile>& files) : files_(files) {}

  void folder(const fs::path& folder, const fs::path& relative) {
    std::error_code error;
    // A link may lead back to where it lies.
    if (!visited_.insert(fs::canonical(folder, error).string()).second) return;
    std::vector<fs::path> entries;
    fs::directory_iterator entry(folder, error);
    if (error)
      throw Error(ErrorCode::kIo,
                  fmt::format("[folder {}] cannot be read: {}", folder.string(), error.message()));
    for (; entry != fs::directory_iterator(); entry.increment(error))
      entries.push_back(entry->path());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& path : entries) {
      if (fs::is_directory(path, error))
        this->folder(path, relative / path.filename());
      else if (kPictures.contains(extensionOf(path.string())))
        files_.push_back({path.string(), (relative / path.filename()).string(), false});
    }
  }

 private:
  std::vector<InputFile>& files_;
  std::set<std::string> visited_;
};

}  // namespace

std::vector<InputFile> findPictures(const std::vector<std::string>& words) {
  std::vector<InputFile> files;
  for (const std::string& word : words) {
    refuseStreams(word);
    std::error_code error;
    if (!fs::exists(word, error))
      throw Error(ErrorCode::kIo, fmt::format("[image {}] there is no such file or folder", word));
    if (!fs::is_directory(word, error)) {
      files.push_back({word, fs::path(word).filename().string(), true});
      continue;
    }
    const std::size_t before = files.size();
    Walk(files).folder(word, {});
    if (files.size() == before)
      throw Error(ErrorCode::kIo,
                  fmt::format("[folder {}] holds no pictures (.jpg, .jpeg, .png)", word));
  }
  return files;
}

}  // namespace layerwise::apps
