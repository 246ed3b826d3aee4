#include "layerwise/draw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::uint8_t kUntouched = 7;

/// A picture with a margin around it, in which a stroke too many shows.
struct Canvas {
  Canvas(int width, int height, PixelFormat format = PixelFormat::kRgb)
      : channels(channelsOf(format)), stride((width + 8) * channels) {
    bytes.assign(static_cast<std::size_t>(stride) * (height + 8), kUntouched);
    view = {&bytes[static_cast<std::size_t>(4) * stride + 4 * channels], width, height, stride,
            format};
  }

  bool touched(int x, int y) const {
    const std::uint8_t* pixel = view.pixels + std::int64_t{y} * stride + std::int64_t{x} * channels;
    for (int c = 0; c < channels; ++c) {
      if (pixel[c] != kUntouched) return true;
    }
    return false;
  }
  int count() const {
    int touchedPixels = 0;
    for (int y = 0; y < view.height; ++y) {
      for (int x = 0; x < view.width; ++x) touchedPixels += touched(x, y);
    }
    return touchedPixels;
  }
  bool marginIntact() const {
    for (int y = -4; y < view.height + 4; ++y) {
      for (int x = -4; x < view.width + 4; ++x) {
        const bool inside = x >= 0 && y >= 0 && x < view.width && y < view.height;
        if (!inside && touched(x, y)) return false;
      }
    }
    return true;
  }

  int channels;
  std::int64_t stride;
  std::vector<std::uint8_t> bytes;
  MutableImageView view;
};

TEST(DrawBox, DrawsFourEdgesOfTheWidthAsked) {
  Canvas canvas(40, 30);
  drawBox(canvas.view, {10, 8, 30, 20}, {255, 0, 0}, {}, 1);
  EXPECT_EQ(canvas.count(), 2 * 21 + 2 * 11);
  EXPECT_TRUE(canvas.touched(10, 8) && canvas.touched(30, 20) && canvas.touched(10, 20));
  EXPECT_FALSE(canvas.touched(20, 14));
}

TEST(DrawBox, HonoursTheChannelOrder) {
  const Color color{200, 100, 50};
  Canvas rgb(9, 9), bgr(9, 9, PixelFormat::kBgr), gray(9, 9, PixelFormat::kGray);
  for (Canvas* canvas : {&rgb, &bgr, &gray}) drawBox(canvas->view, {0, 0, 5, 5}, color, {}, 1);
  EXPECT_EQ(rgb.view.row(0)[0], 200);
  EXPECT_EQ(rgb.view.row(0)[2], 50);
  EXPECT_EQ(bgr.view.row(0)[0], 50);
  EXPECT_EQ(bgr.view.row(0)[2], 200);
  EXPECT_EQ(gray.view.row(0)[0], (200 * 299 + 100 * 587 + 50 * 114) / 1000);
}

TEST(Draw, NothingLeavesThePicture) {
  const float huge = std::numeric_limits<float>::max();
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values{-huge, -inf, -30, -1, 0, 12, 25, 60, huge, inf, nan};
  for (PixelFormat format : {PixelFormat::kRgb, PixelFormat::kGray}) {
    Canvas canvas(25, 20, format);
    for (float a : values) {
      for (float b : values) {
        drawBox(canvas.view, {a, b, b, a}, {1, 2, 3}, "label", 3);
        drawPoint(canvas.view, {a, b}, std::abs(a), {1, 2, 3});
        const Point line[] = {{a, b}, {b, 3}, {4, a}};
        drawPolyline(canvas.view, line, {1, 2, 3}, true, 3);
        drawText(canvas.view, std::abs(a) < 100 ? static_cast<int>(a) : 0, 3, "text", {1, 2, 3}, 4);
      }
    }
    for (int left : {-10, 5, 20, 40}) {
      drawMask(canvas.view, {left, left, 12, 12, std::vector<std::uint8_t>(144, 1)}, {1, 2, 3});
    }
    EXPECT_TRUE(canvas.marginIntact());
  }
}

TEST(DrawBox, PutsTheLabelWhereThereIsRoom) {
  Canvas above(100, 60);
  drawBox(above.view, {20, 30, 60, 50}, {255, 255, 255}, "ab", 1);
  EXPECT_TRUE(above.touched(20, 29) && above.touched(20, 21));
  EXPECT_FALSE(above.touched(20, 20));
  Canvas inside(100, 60);
  drawBox(inside.view, {20, 3, 60, 50}, {255, 255, 255}, "ab", 1);
  EXPECT_FALSE(inside.touched(20, 2));
  EXPECT_TRUE(inside.touched(21, 4));
}

TEST(DrawPolyline, ClosesWhenAsked) {
  const Point corners[] = {{5, 5}, {25, 5}, {25, 25}};
  Canvas open(30, 30), closed(30, 30);
  drawPolyline(open.view, corners, {255, 0, 0}, false, 1);
  drawPolyline(closed.view, corners, {255, 0, 0}, true, 1);
  EXPECT_FALSE(open.touched(15, 15));
  EXPECT_TRUE(closed.touched(15, 15));
  EXPECT_TRUE(open.touched(15, 5) && open.touched(25, 15));
}

TEST(DrawPoint, IsADisc) {
  Canvas canvas(41, 41);
  drawPoint(canvas.view, {20, 20}, 10, {255, 0, 0});
  EXPECT_NEAR(canvas.count(), 3.14159 * 100, 12);
  EXPECT_TRUE(canvas.touched(30, 20));
  EXPECT_FALSE(canvas.touched(28, 28));
}

TEST(DrawMask, MixesByAlpha) {
  Canvas canvas(4, 1);
  const Mask mask{1, 0, 2, 1, {1, 0}};
  drawMask(canvas.view, mask, {255, 7, 0}, 0.5f);
  EXPECT_EQ(canvas.view.row(0)[3], (7 + 255) / 2);
  EXPECT_EQ(canvas.view.row(0)[5], 3);
  EXPECT_EQ(canvas.count(), 1);
  drawMask(canvas.view, mask, {255, 7, 0}, 1.0f);
  EXPECT_EQ(canvas.view.row(0)[3], 255);
}

TEST(DrawText, EveryCharacterLooksDifferent) {
  std::set<std::vector<std::uint8_t>> pictures;
  for (char c = ' '; c <= '~'; ++c) {
    Canvas canvas(6, 7);
    drawText(canvas.view, 0, 0, std::string(1, c), {255, 255, 255});
    pictures.insert(canvas.bytes);
  }
  EXPECT_EQ(pictures.size(), 95u);
  Canvas question(24, 7), other(24, 7);
  drawText(question.view, 0, 0, "a?b", {255, 255, 255});
  drawText(other.view, 0, 0,
           "a\xe4\xba\xba"
           "b",
           {255, 255, 255});
  EXPECT_EQ(question.bytes, other.bytes);
}

TEST(ClassColor, IsStableAndDiffers) {
  std::set<std::tuple<int, int, int>> colors;
  for (int id = 0; id < 80; ++id) {
    const Color color = classColor(id);
    colors.insert({color.red, color.green, color.blue});
  }
  EXPECT_GT(colors.size(), 75u);
  classColor(std::numeric_limits<int>::min());
}

TEST(Draw, RefusesWhatIsNoPicture) {
  EXPECT_THROW(drawBox({nullptr, 4, 4, 12}, {}, {}), Error);
  EXPECT_THROW(drawMask({nullptr, 0, 0, 0}, {}, {}), Error);
}

}  // namespace
}  // namespace layerwise
