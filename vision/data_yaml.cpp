#include "vision/data_yaml.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "layerwise/error.h"
#include "vision/text_lines.h"

namespace layerwise {
namespace {

constexpr std::size_t kMaxClasses = 100000;

/// Whether a quote begins here: not one inside of a word, as in "it's".
bool opensQuote(std::string_view text, std::size_t i) {
  constexpr std::string_view kBefore = " \t[{,:";
  if (i >= text.size() || (text[i] != '"' && text[i] != '\'')) return false;
  return i == 0 || kBefore.find(text[i - 1]) != std::string_view::npos;
}

/// The line without its comment: from a '#' at the start or after a blank, outside quotes.
std::string_view withoutComment(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote) {
      if (c == quote) quote = 0;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    } else if (opensQuote(line, i)) {
      quote = c;
    }
  }
  return line;
}

std::string unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    const std::string mark(2, text.front());
    std::string inner(text.substr(1, text.size() - 2));
    // A doubled single quote stands for one.
    if (mark == "''") {
      for (std::size_t at = 0; (at = inner.find(mark, at)) != std::string::npos; ++at) {
        inner.erase(at, 1);
      }
    }
    return inner;
  }
  return std::string(text);
}

/// Splits the inside of [..] or {..} at its commas, outside quotes.
std::vector<std::string_view> splitFlow(std::string_view inside) {
  std::vector<std::string_view> items;
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= inside.size(); ++i) {
    const char c = i < inside.size() ? inside[i] : ',';
    if (quote && i < inside.size()) {
      if (c == quote) quote = 0;
    } else if (opensQuote(inside, i)) {
      quote = c;
    } else if (c == ',') {
      const std::string_view item = trimmed(inside.substr(begin, i - begin));
      if (!item.empty()) items.push_back(item);
      begin = i + 1;
    }
  }
  return items;
}

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file), lines_(readLines(file, "data set")) {}

  DataYaml read() {
    DataYaml data;
    while (at_ < lines_.size()) {
      const std::string_view line = withoutComment(lines_[at_]);
      const std::size_t colon = line.find(':');
      const bool topLevel = !line.empty() && line[0] != ' ' && line[0] != '\t' && line[0] != '-';
      ++at_;
      if (!topLevel || colon == std::string_view::npos) continue;
      const std::string_view key = trimmed(line.substr(0, colon));
      const std::string_view value = trimmed(line.substr(colon + 1));
      if (key == "path") data.path = unquoted(value);
      if (key == "val") data.val = sequence(value);
      if (key == "names") data.names = sequence(value);
    }
    return data;
  }

 private:
  Error error(const std::string& why) const {
    return Error(ErrorCode::kBadFile, fmt::format("[data set {}] line {}: {}", file_, at_, why));
  }

  /// A scalar, a flow or a block sequence or mapping whose keys are the positions.
  std::vector<std::string> sequence(std::string_view value) {
    std::vector<std::string> items;
    if (value.empty()) {
      readBlock(items);
    } else if (value.front() == '[' || value.front() == '{') {
      const char end = value.front() == '[' ? ']' : '}';
      std::string joined(value);
      while (joined.back() != end) {
        if (at_ == lines_.size()) throw error(fmt::format("'{}' is missing", end));
        joined += ' ';
        joined += trimmed(withoutComment(lines_[at_++]));
      }
      const std::string_view inside = std::string_view(joined).substr(1, joined.size() - 2);
      for (std::string_view item : splitFlow(inside)) {
        end == ']' ? items.push_back(unquoted(item)) : addPair(items, item);
      }
    } else {
      items.push_back(unquoted(value));
    }
    return items;
  }

  void readBlock(std::vector<std::string>& items) {
    while (at_ < lines_.size()) {
      const std::string_view line = withoutComment(lines_[at_]);
      const std::string_view text = trimmed(line);
      const bool item = text == "-" || text.starts_with("- ");
      if (!text.empty() && !item && line[0] != ' ' && line[0] != '\t') return;
      ++at_;
      if (text.empty()) continue;
      item ? items.push_back(unquoted(text.substr(1))) : addPair(items, text);
    }
  }

  void addPair(std::vector<std::string>& items, std::string_view pair) {
    const std::size_t colon = pair.find(':');
    const std::string key = unquoted(pair.substr(0, colon));
    std::size_t id = 0;
    const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (colon == std::string_view::npos || code != std::errc() || end != key.data() + key.size() ||
        id >= kMaxClasses) {
      throw error(fmt::format("'{}' is not `class id: name`", pair));
    }
    if (items.size() <= id) items.resize(id + 1);
    items[id] = unquoted(pair.substr(colon + 1));
  }

  std::string file_;
  std::vector<std::string> lines_;
  std::size_t at_ = 0;
};

}  // namespace

DataYaml readDataYaml(const std::string& file) {
  return Reader(file).read();
}

}  // namespace layerwise
