#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "layerwise/dims.h"

namespace layerwise::apps {

struct ImageSize {
  int height = 0;
  int width = 0;
  bool operator==(const ImageSize&) const = default;
};

/// "640" or "384x640" (height first). Throws UsageError; `option` opens its message.
ImageSize parseImageSize(std::string_view text, std::string_view option);
std::string toString(ImageSize size);  ///< "384x640"

/// "1x3x640x640". Throws UsageError.
Dims parseDims(std::string_view text, std::string_view option);

/// trtexec's "images:1x3x640x640,other:1x2". Throws UsageError.
std::map<std::string, Dims> parseShapes(std::string_view text, std::string_view option);

}  // namespace layerwise::apps
