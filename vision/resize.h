#pragma once

#include <cstdint>
#include <functional>

#include "layerwise/image.h"
#include "layerwise/preprocess.h"

namespace layerwise {

/// Takes row y of a resized picture: width pixels in the source's format. The row is valid during
/// the call only.
using RowSink = std::function<void(int y, const std::uint8_t* row)>;

/// Resizes to width x height with the pixels of the library that `filter` names, row by row, top
/// to bottom. A picture of that size already is passed through.
void resizeRows(const ImageView& image, int width, int height, ResizeFilter filter,
                const RowSink& sink);

void resizeRowsLinear(const ImageView& image, int width, int height, bool areaPhase,
                      const RowSink& sink);
void resizeRowsArea(const ImageView& image, int width, int height, const RowSink& sink);
void resizeRowsAntialias(const ImageView& image, int width, int height, const RowSink& sink);

}  // namespace layerwise
