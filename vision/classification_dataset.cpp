#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "files/file.h"
#include "files/gzip.h"
#include "layerwise/dataset.h"
#include "layerwise/error.h"
#include "vision/text_lines.h"

namespace layerwise {
namespace {

namespace fs = std::filesystem;

ClassificationDataset openFolder(const std::string& path) {
  ClassificationDataset dataset;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !name.starts_with('.')) dataset.names.push_back(name);
  }
  std::sort(dataset.names.begin(), dataset.names.end());
  for (std::size_t id = 0; id < dataset.names.size(); ++id) {
    for (std::string& image : listImages((fs::path(path) / dataset.names[id]).string())) {
      dataset.images.push_back({std::move(image), static_cast<int>(id)});
    }
  }
  if (dataset.images.empty()) {
    throw Error(ErrorCode::kBadFile,
                fmt::format("[data set {}] has no sub-folders (one a class) with pictures", path));
  }
  return dataset;
}

ClassificationDataset openList(const std::string& path) {
  ClassificationDataset dataset;
  std::size_t lineNumber = 0;
  for (const std::string& line : readLines(path, "data set")) {
    ++lineNumber;
    const std::string_view text = trimmed(line);
    if (text.empty()) continue;
    // The class is the last word: a path may hold blanks.
    const std::size_t blank = text.find_last_of(" \t");
    int classId = -1;
    if (blank != std::string_view::npos) {
      const char* end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + blank + 1, end, classId);
      if (parsed.ec != std::errc() || parsed.ptr != end) classId = -1;
    }
    if (classId < 0) {
      throw Error(ErrorCode::kBadFile,
                  fmt::format("[data set {}] line {}: not `path class`", path, lineNumber));
    }
    const fs::path image(trimmed(text.substr(0, blank)));
    const fs::path full = image.is_absolute() ? image : fs::path(path).parent_path() / image;
    dataset.images.push_back({full.string(), classId});
  }
  if (dataset.images.empty()) {
    throw Error(ErrorCode::kBadFile, fmt::format("[data set {}] names no pictures", path));
  }
  return dataset;
}

std::uint32_t bigEndian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

/// The values of an idx file of bytes with `rank` dimensions.
std::vector<std::uint8_t> readIdx(const std::string& path, std::uint32_t rank,
                                  std::vector<std::uint32_t>& shape) {
  constexpr std::uint32_t kBytes = 0x0800;
  const MappedFile file(path, "idx");
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::kBadFile, fmt::format("[idx {}] {}", path, why));
  };
  const std::size_t header = 4 + 4 * std::size_t{rank};
  const auto checkHead = [&](std::string_view head) {
    if (head.size() < header || bigEndian(head, 0) != kBytes + rank)
      throw refuse(fmt::format("is not an idx file of bytes in {} dimensions", rank));
  };
  std::string unpacked;
  std::string_view bytes = file.bytes();
  if (isGzip(bytes)) {
    unpacked = gunzip(bytes, "idx " + path, checkHead);
    bytes = unpacked;
  }
  checkHead(bytes);
  // Divided step by step, so that no product overflows.
  std::uint64_t left = bytes.size() - header;
  std::uint64_t count = 1;
  for (std::uint32_t axis = 0; axis < rank; ++axis) {
    shape.push_back(bigEndian(bytes, 4 + 4 * std::size_t{axis}));
    if (shape.back() != 0 && count > left / shape.back()) throw refuse("is truncated");
    count *= shape.back();
  }
  if (count != left) throw refuse(fmt::format("holds {} bytes, {} needed", left, count));
  const auto* values = reinterpret_cast<const std::uint8_t*>(bytes.data() + header);
  return {values, values + count};
}

}  // namespace

ClassificationDataset openClassificationDataset(const std::string& path) {
  try {
    return fs::is_directory(path) ? openFolder(path) : openList(path);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo,
                fmt::format("[data set {}] cannot be read: {}", path, error.code().message()));
  }
}

IdxDataset readIdxDataset(const std::string& imagesPath, const std::string& labelsPath) {
  IdxDataset dataset;
  std::vector<std::uint32_t> imageShape;
  std::vector<std::uint32_t> labelShape;
  dataset.pixels = readIdx(imagesPath, 3, imageShape);
  dataset.labels = readIdx(labelsPath, 1, labelShape);
  if (imageShape[0] != labelShape[0]) {
    throw Error(ErrorCode::kBadFile, fmt::format("[idx {}] {} labels for {} pictures", labelsPath,
                                                 labelShape[0], imageShape[0]));
  }
  dataset.height = static_cast<int>(imageShape[1]);
  dataset.width = static_cast<int>(imageShape[2]);
  return dataset;
}

}  // namespace layerwise
