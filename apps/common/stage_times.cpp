#include "apps/common/stage_times.h"

#include <fmt/format.h>

namespace layerwise::apps {

void printStageTimes(const StageTimes& times, std::int64_t images, double seconds) {
  if (images == 0) return;
  const auto each = [&](const Stopwatch& watch) {
    return watch.seconds() * 1e3 / static_cast<double>(images);
  };
  fmt::print(
      "{} image{}, {:.2f} images/s; per image {:.1f} ms preprocessing, {:.1f} ms inference, "
      "{:.1f} ms postprocessing ({:.1f} ms reading, {:.1f} ms writing)\n",
      images, images == 1 ? "" : "s", static_cast<double>(images) / seconds,
      each(times.preprocessing), each(times.inference), each(times.postprocessing),
      each(times.reading), each(times.writing));
}

}  // namespace layerwise::apps
