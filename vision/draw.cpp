#include "layerwise/draw.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "vision/font.h"
#include "vision/view_check.h"

namespace layerwise {
namespace {

/// The bytes of a colour in the picture's channel order.
struct Pixel {
  std::uint8_t bytes[3];
  int count;

  Pixel(Color color, PixelFormat format) : count(channelsOf(format)) {
    const bool bgr = format == PixelFormat::kBgr;
    bytes[0] = count == 1 ? brightness(color) : bgr ? color.blue : color.red;
    bytes[1] = color.green;
    bytes[2] = bgr ? color.red : color.blue;
  }

  static std::uint8_t brightness(Color color) {
    return static_cast<std::uint8_t>((color.red * 299 + color.green * 587 + color.blue * 114) /
                                     1000);
  }
};

/// A coordinate that is safe to turn into an int; what is not a number goes far outside.
float bounded(float value) {
  constexpr float kFar = 1e7f;
  return std::isnan(value) ? -kFar : std::clamp(value, -kFar, kFar);
}

/// Fills x1...x2, y1...y2, both ends included, where they are in the picture.
void fillRect(const MutableImageView& image, int x1, int y1, int x2, int y2, const Pixel& pixel) {
  x1 = std::max(x1, 0);
  y1 = std::max(y1, 0);
  x2 = std::min(x2, image.width - 1);
  y2 = std::min(y2, image.height - 1);
  for (int y = y1; y <= y2; ++y) {
    std::uint8_t* to = image.row(y) + std::int64_t{x1} * pixel.count;
    for (int x = x1; x <= x2; ++x, to += pixel.count) {
      std::copy_n(pixel.bytes, pixel.count, to);
    }
  }
}

/// Fills what lies within `radius` of the segment from a to b.
void fillCapsule(const MutableImageView& image, Point a, Point b, float radius,
                 const Pixel& pixel) {
  a = {bounded(a.x), bounded(a.y)};
  b = {bounded(b.x), bounded(b.y)};
  const auto first = [&](float p, float q) {
    return std::max(static_cast<int>(std::floor(std::min(p, q) - radius)), 0);
  };
  const auto last = [&](float p, float q, int limit) {
    return std::min(static_cast<int>(std::ceil(std::max(p, q) + radius)), limit - 1);
  };
  const float dx = b.x - a.x;
  const float dy = b.y - a.y;
  const float length = dx * dx + dy * dy;
  const int x2 = last(a.x, b.x, image.width);
  const int y2 = last(a.y, b.y, image.height);
  for (int y = first(a.y, b.y); y <= y2; ++y) {
    for (int x = first(a.x, b.x); x <= x2; ++x) {
      const float px = static_cast<float>(x) - a.x;
      const float py = static_cast<float>(y) - a.y;
      const float share =
          length > 0.0f ? std::clamp((px * dx + py * dy) / length, 0.0f, 1.0f) : 0.0f;
      const float ex = px - share * dx;
      const float ey = py - share * dy;
      if (ex * ex + ey * ey > radius * radius) continue;
      std::copy_n(pixel.bytes, pixel.count, image.row(y) + std::int64_t{x} * pixel.count);
    }
  }
}

/// One byte a character: those of other alphabets become one '?' each.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool continuation = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    if (continuation) continue;
    result += c >= kFirstGlyph && c <= kLastGlyph ? c : '?';
  }
  return result;
}

constexpr int kAdvance = kGlyphWidth + 1;

}  // namespace

Color classColor(int classId) {
  // Hues by the golden ratio never come close to each other early; brightness alternates too.
  constexpr double kGoldenRatio = 0.61803398874989485;
  const double turn = std::abs(static_cast<double>(classId)) * kGoldenRatio;
  const double hue = 6.0 * (turn - std::floor(turn));
  const double value = classId % 2 == 0 ? 1.0 : 0.8;
  constexpr double kSaturation = 0.8;
  const auto channel = [&](double offset) {
    const double k = std::fmod(offset + hue, 6.0);
    const double share = std::clamp(std::min(k, 4.0 - k), 0.0, 1.0);
    return static_cast<std::uint8_t>(std::lround(255.0 * value * (1.0 - kSaturation * share)));
  };
  return {channel(5), channel(3), channel(1)};
}

int suitableLineWidth(int width, int height) {
  constexpr double kShare = 0.003;
  return std::max(2, static_cast<int>(std::lround((width / 2.0 + height / 2.0) * kShare)));
}

void drawText(const MutableImageView& image, int x, int y, std::string_view text, Color color,
              int scale) {
  checkView(image, "draw text");
  scale = std::max(scale, 1);
  const Pixel pixel(color, image.format);
  for (const char c : printable(text)) {
    if (x >= image.width) return;
    const auto& glyph = kFont[static_cast<std::size_t>(c - kFirstGlyph)];
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if (!(glyph[row] >> (kGlyphWidth - 1 - column) & 1)) continue;
        const int left = x + column * scale;
        const int top = y + row * scale;
        fillRect(image, left, top, left + scale - 1, top + scale - 1, pixel);
      }
    }
    x += kAdvance * scale;
  }
}

void drawBox(const MutableImageView& image, const Box& box, Color color, std::string_view label,
             int lineWidth) {
  checkView(image, "draw box");
  if (lineWidth <= 0) lineWidth = suitableLineWidth(image.width, image.height);
  const Pixel pixel(color, image.format);
  const auto whole = [](float value) { return static_cast<int>(std::lround(bounded(value))); };
  const int x1 = whole(box.x1), y1 = whole(box.y1), x2 = whole(box.x2), y2 = whole(box.y2);
  const int before = lineWidth / 2;
  const int after = lineWidth - 1 - before;
  fillRect(image, x1 - before, y1 - before, x2 + after, y1 + after, pixel);
  fillRect(image, x1 - before, y2 - before, x2 + after, y2 + after, pixel);
  fillRect(image, x1 - before, y1 - before, x1 + after, y2 + after, pixel);
  fillRect(image, x2 - before, y1 - before, x2 + after, y2 + after, pixel);
  if (label.empty()) return;

  constexpr double kPixelsPerScale = 350.0;
  const double side = (image.width + image.height) / 2.0;
  const int scale = std::max(1, static_cast<int>(std::lround(side / kPixelsPerScale)));
  const int textWidth = static_cast<int>(printable(label).size()) * kAdvance * scale - scale;
  const int width = textWidth + 2 * scale;
  const int height = (kGlyphHeight + 2) * scale;
  // Kept inside the picture to the right and the left; a label wider than the picture is cut.
  const int left = std::max(std::min(x1 - before, image.width - width), 0);
  const bool above = y1 - before - height >= 0;
  const int top = above ? y1 - before - height : std::max(y1 - before, 0);
  fillRect(image, left, top, left + width - 1, top + height - 1, pixel);
  const Color text = Pixel::brightness(color) > 140 ? Color{0, 0, 0} : Color{255, 255, 255};
  drawText(image, left + scale, top + scale, label, text, scale);
}

void drawPolyline(const MutableImageView& image, std::span<const Point> points, Color color,
                  bool closed, int lineWidth) {
  checkView(image, "draw polyline");
  if (lineWidth <= 0) lineWidth = suitableLineWidth(image.width, image.height);
  const Pixel pixel(color, image.format);
  const float radius = static_cast<float>(lineWidth) / 2.0f;
  for (std::size_t i = 1; i < points.size(); ++i) {
    fillCapsule(image, points[i - 1], points[i], radius, pixel);
  }
  if (closed && points.size() > 2) {
    fillCapsule(image, points.back(), points.front(), radius, pixel);
  }
}

void drawPoint(const MutableImageView& image, Point center, float radius, Color color) {
  checkView(image, "draw point");
  fillCapsule(image, center, center, std::clamp(radius, 0.0f, 1e6f), Pixel(color, image.format));
}

void drawMask(const MutableImageView& image, const Mask& mask, Color color, float alpha) {
  checkView(image, "draw mask");
  const Pixel pixel(color, image.format);
  const int share = static_cast<int>(std::lround(std::clamp(alpha, 0.0f, 1.0f) * 256.0f));
  const int x1 = std::max(mask.left, 0);
  const int x2 = std::min(mask.left + mask.width, image.width);
  const int y1 = std::max(mask.top, 0);
  const int y2 = std::min(mask.top + mask.height, image.height);
  if (x1 >= x2) return;
  for (int y = y1; y < y2; ++y) {
    const std::uint8_t* inside = &mask.values[std::size_t(y - mask.top) * mask.width];
    std::uint8_t* to = image.row(y) + std::int64_t{x1} * pixel.count;
    for (int x = x1; x < x2; ++x, to += pixel.count) {
      if (!inside[x - mask.left]) continue;
      for (int c = 0; c < pixel.count; ++c) {
        to[c] = static_cast<std::uint8_t>((to[c] * (256 - share) + pixel.bytes[c] * share) >> 8);
      }
    }
  }
}

}  // namespace layerwise
