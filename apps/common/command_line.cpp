#include "apps/common/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

// A comma in a path or in a list of names is the user's own.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

#include "apps/common/nearest_word.h"
#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr char kPositional[] = "positional";
constexpr char kHidden[] = "hidden";

template <class T>
std::optional<T> parseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool isListOfNumbers(const std::string& word) {
  return !word.empty() && word.find_first_not_of("0123456789,") == word.npos;
}

/// A group's options under its own heading, in place of what cxxopts writes above them.
std::string groupHelp(const cxxopts::Options& options, const std::string& group) {
  const std::string listed = options.help({group}, false);
  const std::size_t heading = listed.find(" " + group + " options:\n");
  if (heading == listed.npos) return "";
  return fmt::format("\n{}:\n{}", group, listed.substr(listed.find('\n', heading) + 1));
}

}  // namespace

struct CommandLine::Impl {
  cxxopts::Options options;
  std::vector<std::string> groups{"Options"};
  std::optional<cxxopts::ParseResult> result;

  explicit Impl(const std::string& program) : options(program) {
    options.set_width(100).allow_unrecognised_options();
    options.add_options(kHidden)(kPositional, "", cxxopts::value<std::vector<std::string>>());
    options.parse_positional(kPositional);
  }
};

CommandLine::CommandLine(CommandText text)
    : impl_(std::make_unique<Impl>(text.program)), text_(std::move(text)) {}

CommandLine::~CommandLine() = default;

void CommandLine::declare(const std::string& names) {
  std::size_t start = 0;
  while (start <= names.size()) {
    const std::size_t comma = std::min(names.find(',', start), names.size());
    if (comma - start > 1) names_.push_back(names.substr(start, comma - start));
    start = comma + 1;
  }
}

void CommandLine::flag(const std::string& names, const std::string& help) {
  declare(names);
  impl_->options.add_options(impl_->groups.back())(names, help);
}

void CommandLine::option(const std::string& names, const std::string& valueName,
                         const std::string& help) {
  declare(names);
  impl_->options.add_options(impl_->groups.back())(
      names, help, cxxopts::value<std::vector<std::string>>(), valueName);
}

void CommandLine::optionalValue(const std::string& names, const std::string& valueName,
                                const std::string& implicit, const std::string& help) {
  declare(names);
  impl_->options.add_options(impl_->groups.back())(
      names, help, cxxopts::value<std::vector<std::string>>()->implicit_value(implicit), valueName);
}

void CommandLine::numbers(const std::string& name, const std::string& help) {
  option(name, "N...", help);
  lists_.push_back(name);
}

void CommandLine::group(const std::string& heading) {
  impl_->groups.push_back(heading);
}

std::string CommandLine::help() const {
  std::string text = text_.summary + "\n\nUsage:\n";
  for (const std::string& line : text_.usage) text += fmt::format("  {} {}\n", text_.program, line);
  for (const std::string& group : impl_->groups) text += groupHelp(impl_->options, group);
  if (!text_.examples.empty()) text += "\nExamples:\n";
  for (const std::string& line : text_.examples) text += fmt::format("  {}\n", line);
  return text;
}

void CommandLine::refuseUnknown(const std::vector<std::string>& words) const {
  if (words.empty()) return;
  const std::string word = words.front().substr(0, words.front().find('='));
  const std::string nearest = nearestWord(word.substr(word.find_first_not_of('-')), names_);
  throw UsageError(
      fmt::format("[option {}] there is none of that name{}", word,
                  nearest.empty() ? "" : fmt::format("; the nearest is --{}", nearest)));
}

bool CommandLine::parse(std::vector<std::string> words) {
  group("General");
  flag("q,quiet", "Print errors and the totals of --val only");
  flag("v,verbose", "Print what the library reports");
  flag("version", "Print the version");
  flag("h,help", "Print this help");

  std::vector<std::string> joined{text_.program};
  for (std::size_t i = 0; i < words.size(); ++i) {
    joined.push_back(words[i]);
    const bool list = std::any_of(lists_.begin(), lists_.end(),
                                  [&](const std::string& name) { return words[i] == "--" + name; });
    if (!list) continue;
    std::string values;
    while (i + 1 < words.size() && isListOfNumbers(words[i + 1]))
      values += (values.empty() ? "" : ",") + words[++i];
    if (!values.empty()) joined.back() += "=" + values;
  }
  std::vector<const char*> arguments;
  for (const std::string& word : joined) arguments.push_back(word.c_str());
  try {
    impl_->result = impl_->options.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError(fmt::format("[command line] {}", error.what()));
  }
  if (given("help")) {
    fmt::print("{}", help());
    return false;
  }
  if (given("version")) {
    fmt::print("{} {}\n", text_.program, LAYERWISE_VERSION);
    return false;
  }
  refuseUnknown(impl_->result->unmatched());
  if (given(kPositional)) positional_ = texts(kPositional);
  return true;
}

bool CommandLine::given(const std::string& name) const {
  return impl_->result->count(name) > 0;
}

std::vector<std::string> CommandLine::texts(const std::string& name) const {
  if (!given(name)) return {};
  return (*impl_->result)[name].as<std::vector<std::string>>();
}

std::string CommandLine::text(const std::string& name, const std::string& fallback) const {
  return given(name) ? texts(name).back() : fallback;
}

std::int64_t CommandLine::integer(const std::string& name, std::int64_t fallback, std::int64_t low,
                                  std::int64_t high) const {
  if (!given(name)) return fallback;
  const auto value = parseNumber<std::int64_t>(text(name));
  if (!value || *value < low || *value > high)
    throw UsageError(
        fmt::format("[--{}] '{}' is no whole number from {} to {}", name, text(name), low, high));
  return *value;
}

double CommandLine::real(const std::string& name, double fallback, double low, double high) const {
  if (!given(name)) return fallback;
  const auto value = parseNumber<double>(text(name));
  if (!value || !(*value >= low && *value <= high))
    throw UsageError(
        fmt::format("[--{}] '{}' is no number from {} to {}", name, text(name), low, high));
  return *value;
}

std::vector<int> CommandLine::integers(const std::string& name) const {
  std::vector<int> values;
  for (const std::string& list : texts(name)) {
    std::size_t start = 0;
    while (start <= list.size()) {
      const std::size_t comma = std::min(list.find(',', start), list.size());
      const std::string word = list.substr(start, comma - start);
      const auto value = parseNumber<int>(word);
      if (!value || *value < 0)
        throw UsageError(fmt::format("[--{}] '{}' is no number", name, word));
      values.push_back(*value);
      start = comma + 1;
    }
  }
  return values;
}

}  // namespace layerwise::apps
