#include "apps/common/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "apps/common/progress.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

constexpr int kInterruptedStatus = 130;

volatile std::sig_atomic_t signals = 0;
std::string programName = "layerwise";

void onSignal(int) {
  if (signals) ::_exit(kInterruptedStatus);
  signals = 1;
}

void catchSignals() {
  struct sigaction action = {};
  action.sa_handler = onSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// A message of one line, whatever it quotes.
std::string oneLine(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  return line;
}

int guarded(const std::function<int()>& body) {
  try {
    int status = body();
    if (std::fflush(stdout) != 0)
      throw Error(ErrorCode::kIo, "[standard output] cannot be written to");
    return status;
  } catch (const UsageError& error) {
    printNote(fmt::format("{} ('{} --help' explains)", error.what(), programName));
    return 2;
  } catch (const Error& error) {
    if (interrupted() && error.code() == ErrorCode::kCancelled) {
      printNote("[interrupt] stopped; nothing half-written was left");
      return kInterruptedStatus;
    }
    printNote(error.what());
  } catch (const std::bad_alloc&) {
    printNote("[memory] there is not enough of it");
  } catch (const std::exception& error) {
    printNote(fmt::format("[internal] {}", error.what()));
  }
  return 1;
}

}  // namespace

int runProgram(std::string_view name, int argc, char** argv,
               const std::function<int(const std::vector<std::string>&)>& body) {
  programName = name;
  catchSignals();
  return guarded([&] { return body(std::vector<std::string>(argv + 1, argv + argc)); });
}

void printNote(std::string_view message) {
  ProgressBar::clear();
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", programName, oneLine(message));
}

bool interrupted() {
  return signals != 0;
}

void throwIfInterrupted() {
  if (interrupted()) throw Error(ErrorCode::kCancelled, "[interrupt] stopped");
}

}  // namespace layerwise::apps
