#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace layerwise::apps {

/// What `--help` says of a program (or of a command of it) around the list of its options.
struct CommandText {
  std::string program;             ///< "yolov5", "layerwise bench"
  std::string summary;             ///< one sentence
  std::vector<std::string> usage;  ///< what follows the program's name, one form a line
  std::vector<std::string> examples;
};

/// A command line: its options are declared, parsed, and then read as what they should be. All
/// readers throw UsageError that names the option and what was given.
class CommandLine {
 public:
  explicit CommandLine(CommandText text);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // `names`: "c,conf,confidence"; the longest is no more than the others, any can be read.
  void flag(const std::string& names, const std::string& help);
  void option(const std::string& names, const std::string& valueName, const std::string& help);
  /// An option that may come without a value, which then is `implicit`.
  void optionalValue(const std::string& names, const std::string& valueName,
                     const std::string& implicit, const std::string& help);
  /// An option that takes all the numbers that follow it: `--classes 0 2`.
  void numbers(const std::string& name, const std::string& help);
  /// What is declared from here on is listed under this heading.
  void group(const std::string& heading);

  /// False where --help or --version was asked for, and answered.
  bool parse(std::vector<std::string> words);

  bool given(const std::string& name) const;
  bool isSet(const std::string& flag) const { return given(flag); }
  const std::vector<std::string>& positional() const { return positional_; }
  std::string text(const std::string& name, const std::string& fallback = {}) const;
  std::vector<std::string> texts(const std::string& name) const;
  std::int64_t integer(const std::string& name, std::int64_t fallback, std::int64_t low,
                       std::int64_t high) const;
  double real(const std::string& name, double fallback, double low, double high) const;
  std::vector<int> integers(const std::string& name) const;

 private:
  void declare(const std::string& names);
  void refuseUnknown(const std::vector<std::string>& words) const;
  std::string help() const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
  CommandText text_;
  std::vector<std::string> names_;
  std::vector<std::string> lists_;
  std::vector<std::string> positional_;
};

}  // namespace layerwise::apps
