#pragma once

#include <optional>

#include "apps/common/input_files.h"
#include "apps/common/stage_times.h"
#include "layerwise/image.h"

namespace layerwise::apps {

/// Reads a picture. One that cannot be read gets its line on standard error, and nothing is
/// returned.
std::optional<Image> readPicture(const InputFile& file, StageTimes& times);

}  // namespace layerwise::apps
