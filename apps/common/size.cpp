#include "apps/common/size.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr std::int64_t kMaxSide = 1 << 16;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

/// A whole number from `low` to `high`, or -1.
std::int64_t wholeNumber(std::string_view text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good && value >= low && value <= high ? value : -1;
}

}  // namespace

ImageSize parseImageSize(std::string_view text, std::string_view option) {
  const auto parts = split(text, 'x');
  const std::int64_t height = wholeNumber(parts[0], 1, kMaxSide);
  const std::int64_t width = parts.size() == 1 ? height : wholeNumber(parts[1], 1, kMaxSide);
  if (parts.size() > 2 || height < 0 || width < 0)
    throw UsageError(
        fmt::format("[--{}] '{}' is neither N nor HxW, each 1 to {}", option, text, kMaxSide));
  return {static_cast<int>(height), static_cast<int>(width)};
}

std::string toString(ImageSize size) {
  return fmt::format("{}x{}", size.height, size.width);
}

Dims parseDims(std::string_view text, std::string_view option) {
  Dims dims;
  for (std::string_view part : split(text, 'x')) {
    const std::int64_t value = wholeNumber(part, 0, std::int64_t{1} << 40);
    if (value < 0 || dims.rank() == Dims::kMaxRank)
      throw UsageError(fmt::format("[--{}] '{}' is no shape such as 1x3x640x640", option, text));
    dims.append(value);
  }
  return dims;
}

std::map<std::string, Dims> parseShapes(std::string_view text, std::string_view option) {
  std::map<std::string, Dims> shapes;
  if (text.empty()) return shapes;
  for (std::string_view part : split(text, ',')) {
    const std::size_t colon = part.rfind(':');
    if (colon == part.npos || colon == 0)
      throw UsageError(
          fmt::format("[--{}] '{}' is no NAME:SHAPE such as images:1x3x640x640", option, part));
    shapes[std::string(part.substr(0, colon))] = parseDims(part.substr(colon + 1), option);
  }
  return shapes;
}

}  // namespace layerwise::apps
