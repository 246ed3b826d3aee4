#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace layerwise::apps {

/// A progress bar on standard error, shown only where that is a terminal. One at a time.
class ProgressBar {
 public:
  /// `enabled` false: never shown (--quiet).
  explicit ProgressBar(bool enabled);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Draws again, at most ten times a second. `fraction` 0 to 1.
  void update(double fraction, std::string_view what);

  /// Takes the bar off the terminal until the next update(), so that a line can be printed.
  static void clear();

 private:
  bool shown_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace layerwise::apps
