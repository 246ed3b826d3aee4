#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "files/file.h"
#include "layerwise/calibrator.h"
#include "layerwise/error.h"
#include "passes/quantization.h"

namespace layerwise {
namespace {

constexpr std::string_view kTitle = "layerwise-calibration";
constexpr std::string_view kVersion = "1";

/// A name as one word.
std::string escaped(std::string_view name) {
  std::string word;
  for (char c : name) {
    bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank || c == '%' || ((c == '#' || c == '@') && word.empty()))
      word += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      word += c;
  }
  return word;
}

std::vector<std::string_view> words(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> list;
  for (std::size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;
       at = line.find_first_not_of(kBlanks, at)) {
    std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    list.push_back(line.substr(at, end - at));
    at = end;
  }
  return list;
}

/// Reads a table line by line and says where it is damaged.
class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  CalibrationTable run() {
    CalibrationTable table;
    bool titled = false;
    while (!text_.empty()) {
      ++number_;
      std::size_t end = text_.find('\n');
      std::string_view line = text_.substr(0, end);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      std::vector<std::string_view> parts = words(line);
      if (parts.empty() || parts[0].starts_with('#')) continue;
      if (!titled) {
        if (parts.size() != 3 || parts[0] != kTitle)
          fail("'{} {} METHOD' is expected", kTitle, kVersion);
        if (parts[1] != kVersion) fail("version {} is not {}", parts[1], kVersion);
        table.method = parts[2];
        titled = true;
        continue;
      }
      if (parts[0].starts_with('@'))
        readFactors(parts, table);
      else
        readTensor(parts, table);
    }
    if (!titled) {
      ++number_;
      fail("'{} {} METHOD' is expected", kTitle, kVersion);
    }
    return table;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(ErrorCode::kBadFile, fmt::format("[calibration {}] line {}: {}", name_, number_,
                                                 fmt::format(format, std::forward<Args>(args)...)));
  }

  double real(std::string_view what, std::string_view word) const {
    double value = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value))
      fail("{} '{}' is not a number", what, word);
    return value;
  }

  std::string unescaped(std::string_view word) const {
    std::string name;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (word[i] != '%') {
        name += word[i];
        continue;
      }
      unsigned code = 0;
      if (i + 2 >= word.size()) fail("'{}' ends within a % escape", word);
      auto [end, error] = std::from_chars(word.data() + i + 1, word.data() + i + 3, code, 16);
      if (error != std::errc() || end != word.data() + i + 3)
        fail("'{}' has a % that is no escape", word);
      name += static_cast<char>(code);
      i += 2;
    }
    return name;
  }

  void readTensor(const std::vector<std::string_view>& parts, CalibrationTable& table) const {
    if (parts.size() != 5)
      fail("{} words, 5 are expected: name, scale, zero point, min, max", parts.size());
    real("scale", parts[1]);
    real("zero point", parts[2]);
    CalibratedRange range{real("min", parts[3]), real("max", parts[4])};
    if (range.first > range.second) fail("min {} is above max {}", parts[3], parts[4]);
    if (!table.ranges.emplace(unescaped(parts[0]), range).second)
      fail("'{}' has a line already", parts[0]);
  }

  void readFactors(const std::vector<std::string_view>& parts, CalibrationTable& table) const {
    std::vector<double> factors;
    for (std::size_t i = 1; i < parts.size(); ++i) {
      factors.push_back(real("factor", parts[i]));
      if (factors.back() < 1) fail("factor {} is below 1", parts[i]);
    }
    if (!table.channelFactors.emplace(unescaped(parts[0].substr(1)), std::move(factors)).second)
      fail("'{}' has a line already", parts[0]);
  }

  std::string_view text_;
  std::string_view name_;
  int number_ = 0;
};

}  // namespace

std::string CalibrationTable::toText() const {
  std::string text = fmt::format("{} {} {}\n", kTitle, kVersion, method);
  for (const auto& [name, range] : ranges) {
    TensorQuantization quantization = quantizationOf(range.first, range.second);
    text += fmt::format("{} {} {} {} {}\n", escaped(name), quantization.scale,
                        quantization.zeroPoint, range.first, range.second);
  }
  for (const auto& [name, factors] : channelFactors)
    text += fmt::format("@{} {}\n", escaped(name), fmt::join(factors, " "));
  return text;
}

CalibrationTable CalibrationTable::fromText(std::string_view text, std::string_view name) {
  return Parser(text, name).run();
}

void CalibrationTable::save(const std::string& path) const {
  AtomicFile file(path, "calibration");
  file.write(toText());
  file.commit();
}

CalibrationTable CalibrationTable::load(const std::string& path) {
  MappedFile file(path, "calibration");
  return fromText(file.bytes(), path);
}

}  // namespace layerwise
