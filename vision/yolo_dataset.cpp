#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include "layerwise/dataset.h"
#include "layerwise/error.h"
#include "vision/data_yaml.h"
#include "vision/text_lines.h"

namespace layerwise {
namespace {

namespace fs = std::filesystem;

std::optional<float> parseFloat(std::string_view word) {
  float value = 0.0f;
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (code != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) return {};
  return value;
}

/// The reference's rule: the last "images" folder of the path becomes "labels", the ending .txt.
std::string labelPathOf(const std::string& image) {
  constexpr std::string_view kImages = "/images/";
  std::string path = image;
  const std::size_t at = path.rfind(kImages);
  if (at != std::string::npos) path.replace(at, kImages.size(), "/labels/");
  return fs::path(path).replace_extension(".txt").string();
}

/// The images of a folder or of a list file, whose lines may be relative to the file's folder.
std::vector<std::string> imagesOf(const fs::path& source) {
  if (fs::is_directory(source)) return listImages(source.string());
  std::vector<std::string> images;
  for (const std::string& line : readLines(source.string(), "data set")) {
    const std::string_view name = trimmed(line);
    if (name.empty()) continue;
    const fs::path image(name);
    images.push_back(
        (image.is_absolute() ? image : source.parent_path() / image).lexically_normal().string());
  }
  return images;
}

YoloDataset openDataYaml(const fs::path& file) {
  const DataYaml yaml = readDataYaml(file.string());
  if (yaml.val.empty()) {
    throw Error(ErrorCode::kBadFile,
                fmt::format("[data set {}] has no `val:`, the pictures to use", file.string()));
  }
  const fs::path folder = file.parent_path();
  // `path` is often written relative to where the training ran; the file's own folder is the next
  // best guess.
  fs::path root = folder / yaml.path;
  if (!fs::exists(root)) root = folder;
  YoloDataset dataset;
  dataset.names = yaml.names;
  for (const std::string& entry : yaml.val) {
    fs::path source = root / entry;
    if (!fs::exists(source)) source = folder / entry;
    if (!fs::exists(source)) {
      throw Error(ErrorCode::kIo,
                  fmt::format("[data set {}] `val: {}` is not there", file.string(), entry));
    }
    const std::vector<std::string> images = imagesOf(source.lexically_normal());
    dataset.images.insert(dataset.images.end(), images.begin(), images.end());
  }
  return dataset;
}

YoloLabel boxOf(const std::vector<float>& numbers) {
  if (numbers.size() == 5) {
    return {static_cast<int>(numbers[0]), numbers[1], numbers[2], numbers[3], numbers[4]};
  }
  float x1 = numbers[1], x2 = numbers[1], y1 = numbers[2], y2 = numbers[2];
  for (std::size_t i = 1; i + 1 < numbers.size(); i += 2) {
    x1 = std::min(x1, numbers[i]);
    x2 = std::max(x2, numbers[i]);
    y1 = std::min(y1, numbers[i + 1]);
    y2 = std::max(y2, numbers[i + 1]);
  }
  return {static_cast<int>(numbers[0]), (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1};
}

}  // namespace

YoloDataset openYoloDataset(const std::string& path) {
  const fs::path given(path);
  YoloDataset dataset;
  if (fs::is_regular_file(given)) {
    dataset = openDataYaml(given);
  } else if (!fs::is_directory(given)) {
    throw Error(ErrorCode::kIo, fmt::format("[data set {}] is not there", path));
  } else if (fs::is_regular_file(given / "data.yaml")) {
    dataset = openDataYaml(given / "data.yaml");
  } else {
    const bool split = fs::is_directory(given / "images");
    if (split && !fs::is_directory(given / "labels")) {
      throw Error(ErrorCode::kBadFile,
                  fmt::format("[data set {}] has images/ and no labels/", path));
    }
    // Absolute, so that the folder named "images" is found in the path from wherever it is given.
    const fs::path source = split ? given / "images" : fs::absolute(given).lexically_normal();
    dataset.images = listImages(source.string());
  }
  if (dataset.images.empty()) {
    throw Error(ErrorCode::kBadFile,
                fmt::format("[data set {}] has no JPEG or PNG pictures", path));
  }
  std::sort(dataset.images.begin(), dataset.images.end());
  bool anyLabels = false;
  for (const std::string& image : dataset.images) {
    dataset.labels.push_back(labelPathOf(image));
    anyLabels = anyLabels || fs::exists(dataset.labels.back());
  }
  if (!anyLabels) {
    throw Error(ErrorCode::kBadFile, fmt::format("[data set {}] not one picture has labels: {} "
                                                 "is not there",
                                                 path, dataset.labels.front()));
  }
  return dataset;
}

std::vector<YoloLabel> readYoloLabels(const std::string& path) {
  if (!fs::exists(path)) return {};
  std::vector<std::vector<float>> seen;
  std::vector<YoloLabel> labels;
  std::size_t lineNumber = 0;
  for (const std::string& line : readLines(path, "labels")) {
    ++lineNumber;
    const auto refuse = [&](const std::string& why) {
      return Error(ErrorCode::kBadFile,
                   fmt::format("[labels {}] line {}: {}", path, lineNumber, why));
    };
    const std::vector<std::string_view> words = splitWords(line);
    if (words.empty()) continue;
    if (words.size() != 5 && (words.size() < 7 || words.size() % 2 == 0)) {
      throw refuse(fmt::format("{} numbers, 5 (class cx cy w h) or a class and a polygon needed",
                               words.size()));
    }
    std::vector<float> numbers;
    for (std::string_view word : words) {
      const std::optional<float> number = parseFloat(word);
      if (!number) throw refuse(fmt::format("'{}' is not a number", word));
      const bool classId = numbers.empty();
      if (classId && (*number < 0 || *number > 1e6f || *number != std::floor(*number))) {
        throw refuse(fmt::format("'{}' is not a class id", word));
      }
      if (!classId && (*number < 0.0f || *number > 1.0f)) {
        throw refuse(fmt::format("{} is not in 0...1", word));
      }
      numbers.push_back(*number);
    }
    if (std::find(seen.begin(), seen.end(), numbers) != seen.end()) continue;
    labels.push_back(boxOf(numbers));
    seen.push_back(std::move(numbers));
  }
  return labels;
}

std::vector<std::string> readClassNames(const std::string& path) {
  const std::string extension = fs::path(path).extension().string();
  std::vector<std::string> names;
  if (extension == ".yaml" || extension == ".yml") {
    names = readDataYaml(path).names;
  } else {
    for (const std::string& line : readLines(path, "names")) names.emplace_back(trimmed(line));
    while (!names.empty() && names.back().empty()) names.pop_back();
  }
  if (names.empty()) {
    throw Error(ErrorCode::kBadFile, fmt::format("[names {}] has no class names", path));
  }
  return names;
}

}  // namespace layerwise
