#pragma once

#include <string>

#include "layerwise/image.h"

namespace layerwise::apps {

/// writeImage(), with the folders above the file made.
void savePicture(const std::string& path, const Image& image);

}  // namespace layerwise::apps
