#pragma once

#include <string_view>

#include "layerwise/image.h"

namespace layerwise {

/// Throws Error kInvalidArgument, beginning with [what], for a view that is no picture: without
/// pixels, of no or of too large a size, or with rows longer than its stride.
void checkView(const ImageView& image, std::string_view what);

}  // namespace layerwise
