#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace layerwise::apps {

/// A command line that cannot be meant: the program ends with status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs a program's body with the words of its command line. What it throws becomes one line on
/// standard error that begins with the program's name, and the exit status: 1 for an error, 2 for
/// wrong usage, 130 after an interrupt; otherwise the body's own.
int runProgram(std::string_view name, int argc, char** argv,
               const std::function<int(const std::vector<std::string>& words)>& body);

/// Prints `name: message` on standard error, above the progress bar where one is shown.
void printNote(std::string_view message);

/// Whether the user pressed Ctrl-C (SIGINT) or the program was asked to end (SIGTERM). A second
/// signal ends the program at once.
bool interrupted();
/// Throws Error kCancelled after an interrupt.
void throwIfInterrupted();

}  // namespace layerwise::apps
