#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "layerwise/box.h"
#include "layerwise/export.h"
#include "layerwise/image.h"
#include "layerwise/mask.h"

namespace layerwise {

// Drawing on a caller's picture of any channel order; on a grey one the colour's brightness is
// used. What lies outside the picture is cut off. Coordinates are pixels, (0, 0) being the middle
// of the first one. Throws Error for a view that is no picture.

struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
};

/// A colour for a class: neighbouring ids differ clearly, and an id always has the same one.
LAYERWISE_API Color classColor(int classId);

/// The width of lines that suits a picture of that size (0.3 % of the mean side, at least 2).
LAYERWISE_API int suitableLineWidth(int width, int height);

/// A rectangle and, unless empty, its label on a ground of the same colour: above the box, or
/// inside where there is no room. lineWidth 0: suitableLineWidth().
LAYERWISE_API void drawBox(const MutableImageView& image, const Box& box, Color color,
                           std::string_view label = {}, int lineWidth = 0);

/// Lines from point to point, from the last to the first too when closed.
LAYERWISE_API void drawPolyline(const MutableImageView& image, std::span<const Point> points,
                                Color color, bool closed = false, int lineWidth = 0);

/// A disc.
LAYERWISE_API void drawPoint(const MutableImageView& image, Point center, float radius,
                             Color color);

/// The mask's pixels mixed with the colour: alpha 0 leaves the picture, 1 covers it.
LAYERWISE_API void drawMask(const MutableImageView& image, const Mask& mask, Color color,
                            float alpha = 0.5f);

/// A line of text whose upper left corner is at (x, y), each font pixel `scale` pixels wide. ASCII;
/// other characters appear as '?'.
LAYERWISE_API void drawText(const MutableImageView& image, int x, int y, std::string_view text,
                            Color color, int scale = 1);

}  // namespace layerwise
