#include "layerwise/timing_cache.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <utility>

#include "files/file.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

// The file: this line, then a line an entry, "<seconds> <key>". Keys are free text without line
// ends.
constexpr std::string_view kMagic = "layerwise timing cache ";
constexpr int kVersion = 1;

/// Cuts the first line off; without its end, a carriage return included.
std::string_view takeLine(std::string_view& text) {
  std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// An entry; nothing for a line that is none, as another version or an editor may have left it.
std::optional<std::pair<std::string, double>> parseLine(std::string_view line) {
  double seconds = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
  std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (error != std::errc() || rest.size() < 2 || rest[0] != ' ' || !std::isfinite(seconds) ||
      seconds < 0)
    return {};
  return std::pair(std::string(rest.substr(1)), seconds);
}

}  // namespace

void TimingCache::load(const std::string& path) {
  std::error_code code;
  if (std::filesystem::status(path, code).type() == std::filesystem::file_type::not_found) return;
  MappedFile file(path, "timing cache");
  std::string_view text = file.bytes();
  std::string_view header = takeLine(text);
  if (!header.starts_with(kMagic))
    throw Error(ErrorCode::kBadFile,
                fmt::format("[timing cache {}] is no timing cache: its first line must be '{}{}'",
                            path, kMagic, kVersion));
  if (header.substr(kMagic.size()) != std::to_string(kVersion)) return;
  std::map<std::string, double> read;
  while (!text.empty())
    if (auto entry = parseLine(takeLine(text))) read.insert(std::move(*entry));
  std::lock_guard lock(mutex_);
  entries_.merge(read);
}

void TimingCache::save(const std::string& path) const {
  std::string text = fmt::format("{}{}\n", kMagic, kVersion);
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, seconds] : entries_)
      fmt::format_to(std::back_inserter(text), "{} {}\n", seconds, key);
  }
  AtomicFile file(path, "timing cache");
  file.write(text);
  file.commit();
}

void TimingCache::merge(const TimingCache& other) {
  if (this == &other) return;
  std::scoped_lock lock(mutex_, other.mutex_);
  entries_.insert(other.entries_.begin(), other.entries_.end());
}

std::optional<double> TimingCache::find(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(key);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

void TimingCache::insert(const std::string& key, double seconds) {
  if (key.empty() || key.find_first_of("\r\n") != std::string::npos)
    throw Error(ErrorCode::kInvalidArgument,
                "[timing cache] a key is one line of text, and not empty");
  std::lock_guard lock(mutex_);
  entries_[key] = seconds;
}

std::size_t TimingCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace layerwise
