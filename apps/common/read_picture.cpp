#include "apps/common/read_picture.h"

#include "apps/common/program.h"
#include "layerwise/error.h"

namespace layerwise::apps {

std::optional<Image> readPicture(const InputFile& file, StageTimes& times) {
  try {
    const auto lap = times.reading.lap();
    return readImage(file.path);
  } catch (const Error& error) {
    printNote(error.what());
    return std::nullopt;
  }
}

}  // namespace layerwise::apps
