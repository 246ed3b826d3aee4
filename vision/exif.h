#pragma once

#include <cstdint>
#include <span>

#include "layerwise/image.h"

namespace layerwise {

/// The orientation (1...8) of an EXIF block, which begins with its TIFF header; 1 where the block
/// has none or is damaged.
int exifOrientation(std::span<const std::uint8_t> tiff);

/// The picture turned and mirrored so that it stands upright.
Image applyOrientation(Image image, int orientation);

}  // namespace layerwise
