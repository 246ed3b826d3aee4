#include "networks/blocks/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "layerwise/error.h"

namespace layerwise::blocks {
namespace {

constexpr std::int64_t kMaxSide = 1 << 16;

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ImageSize> parseSize(std::string_view text) {
  std::size_t cross = text.find('x');
  auto height = parse<std::int64_t>(text.substr(0, cross));
  auto width = cross == text.npos ? height : parse<std::int64_t>(text.substr(cross + 1));
  auto fits = [](auto side) { return side && *side >= 1 && *side <= kMaxSide; };
  if (!fits(height) || !fits(width)) return std::nullopt;
  return ImageSize{*height, *width};
}

}  // namespace

std::string toString(ImageSize size) {
  return fmt::format("{}x{}", size.height, size.width);
}

std::string join(const std::vector<double>& values) {
  return fmt::format("{}", fmt::join(values, ","));
}

void Options::refuse(const std::string& name, const std::string& why) const {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("[{} option {}] {}", family_, name, why));
}

const std::string& Options::text(const std::string& name) const {
  static const std::string kNone;
  auto found = values_.find(name);
  return found == values_.end() ? kNone : found->second;
}

bool Options::flag(const std::string& name) const {
  const std::string& word = choice(name, {"false", "true", "0", "1"});
  return word == "true" || word == "1";
}

std::int64_t Options::integer(const std::string& name, std::int64_t low, std::int64_t high) const {
  auto value = parse<std::int64_t>(text(name));
  if (!value || *value < low || *value > high)
    refuse(name, fmt::format("'{}' is no number from {} to {}", text(name), low, high));
  return *value;
}

std::int64_t Options::integerOr(const std::string& name, std::int64_t low, std::int64_t high,
                                std::int64_t fallback) const {
  return given(name) ? integer(name, low, high) : fallback;
}

std::vector<double> Options::reals(const std::string& name) const {
  std::vector<double> values;
  std::string_view rest = text(name);
  while (!rest.empty()) {
    std::size_t comma = std::min(rest.find(','), rest.size());
    auto value = parse<double>(rest.substr(0, comma));
    if (!value) refuse(name, fmt::format("'{}' is no list of numbers (0.5,0.5,...)", text(name)));
    values.push_back(*value);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return values;
}

ImageSize Options::size(const std::string& name) const {
  auto size = parseSize(text(name));
  if (!size)
    refuse(name, fmt::format("'{}' is neither N nor HxW, each 1 to {}", text(name), kMaxSide));
  return *size;
}

ImageSize Options::imageSize(const WeightMap& weights, ImageSize fallback) const {
  if (given("imgsz")) return size("imgsz");
  auto found = weights.metadata().find("imgsz");
  if (found == weights.metadata().end()) return fallback;
  auto size = parseSize(found->second);
  if (!size)
    throw Error(ErrorCode::kBadFile,
                fmt::format("[{} imgsz] the weights' own '{}' is neither N nor HxW", family_,
                            found->second));
  return *size;
}

const std::string& Options::choice(const std::string& name,
                                   const std::vector<std::string>& words) const {
  const std::string& word = text(name);
  if (std::find(words.begin(), words.end(), word) == words.end())
    refuse(name, fmt::format("'{}' is none of {}", word, fmt::join(words, ", ")));
  return word;
}

}  // namespace layerwise::blocks
