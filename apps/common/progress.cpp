#include "apps/common/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace layerwise::apps {
namespace {

constexpr int kBarWidth = 30;
constexpr std::chrono::milliseconds kInterval{100};

bool onScreen = false;

}  // namespace

ProgressBar::ProgressBar(bool enabled) : shown_(enabled && ::isatty(STDERR_FILENO)) {}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(double fraction, std::string_view what) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kInterval) return;
  last_ = now;
  fraction = std::clamp(fraction, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(fraction * kBarWidth);
  fmt::print(stderr, "\r\x1b[K[{}{}] {:3.0f} %  {:.48}", std::string(filled, '#'),
             std::string(kBarWidth - filled, '.'), 100 * fraction, what);
  std::fflush(stderr);
  onScreen = true;
}

void ProgressBar::clear() {
  if (!onScreen) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  onScreen = false;
}

}  // namespace layerwise::apps
