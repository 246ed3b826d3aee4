#include "layerwise/mask.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "layerwise/error.h"
#include "tests/golden/procedural_image.h"

namespace layerwise {
namespace {

struct Procedural {
  Procedural() {
    const auto bytes = proceduralBytes(4 * 12 * 16 + 4);
    for (int i = 0; i < 4 * 12 * 16; ++i) values.push_back((bytes[i] - 128.0f) / 32.0f);
    for (int i = 0; i < 4; ++i) coefficients.push_back((bytes[768 + i] - 100.0f) / 64.0f);
  }
  MaskPrototypes prototypes() const { return {values.data(), 4, 12, 16}; }
  std::vector<float> values;
  std::vector<float> coefficients;
};

std::vector<std::uint8_t> onCanvas(const Mask& mask, int width, int height) {
  std::vector<std::uint8_t> canvas(std::size_t(width) * height, 0);
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      canvas[std::size_t(mask.top + y) * width + mask.left + x] = mask.values[y * mask.width + x];
    }
  }
  return canvas;
}

Mask maskOf(const std::vector<std::string>& rows) {
  Mask mask{0, 0, static_cast<int>(rows[0].size()), static_cast<int>(rows.size()), {}};
  for (const std::string& row : rows) {
    for (char c : row) mask.values.push_back(c == '#');
  }
  return mask;
}

std::vector<std::pair<int, int>> corners(const std::vector<Point>& points) {
  std::vector<std::pair<int, int>> result;
  for (const Point& p : points) result.emplace_back(p.x, p.y);
  return result;
}

// Made with PyTorch and OpenCV (tests/golden/make_vision_golden.py).
TEST(AssembleMask, EqualsTheReference) {
  struct Case {
    Box box;
    int pixels;
    std::uint32_t crc;
    std::size_t points;
    std::uint32_t outlineCrc;
  };
  constexpr Case kCases[] = {
      {{5, 4, 50, 40}, 615, 0x346aabef, 82, 0x207d836a},
      {{-9, 10.5, 30, 99}, 598, 0x2283a0b7, 70, 0x09b4851d},
      {{20, 20, 21, 21}, 12, 0xa82c5682, 8, 0x78532c3e},
      {{40, 0, 64, 48}, 458, 0xa42a10f4, 34, 0xb50d1b1d},
  };
  const Procedural data;
  for (const Case& c : kCases) {
    const Mask mask = assembleMask(data.prototypes(), data.coefficients.data(), c.box, 64, 48);
    EXPECT_EQ(std::accumulate(mask.values.begin(), mask.values.end(), 0), c.pixels);
    EXPECT_EQ(crcOf(onCanvas(mask, 64, 48)), c.crc);
    const std::vector<Point> outline = outlineOf(mask);
    EXPECT_EQ(outline.size(), c.points);
    EXPECT_EQ(crcOf(outline), c.outlineCrc);
  }
}

TEST(AssembleMask, ABoxOutsideGivesNothing) {
  const Procedural data;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Box& box : {Box{100, 0, 120, 20}, Box{-50, -50, -1, -1}, Box{30, 30, 10, 10},
                         Box{nan, nan, nan, nan}}) {
    const Mask mask = assembleMask(data.prototypes(), data.coefficients.data(), box, 64, 48);
    EXPECT_TRUE(mask.values.empty());
    EXPECT_TRUE(outlineOf(mask).empty());
  }
  EXPECT_THROW(assembleMask({data.values.data(), 0, 12, 16}, data.coefficients.data(), {}, 64, 48),
               Error);
}

TEST(MaskToImage, FollowsTheLetterbox) {
  // 1280 x 720 in 640 x 640: half the size, 140 rows of padding above.
  const Letterbox plan = planLetterbox(1280, 720, {});
  Mask mask{100, 240, 50, 20, std::vector<std::uint8_t>(50 * 20, 1)};
  const Mask image = maskToImage(plan, mask);
  EXPECT_EQ(image.left, 200);
  EXPECT_EQ(image.top, 200);
  EXPECT_EQ(image.width, 100);
  EXPECT_EQ(image.height, 40);
  const int pixels = std::accumulate(image.values.begin(), image.values.end(), 0);
  EXPECT_NEAR(pixels, 100 * 40, 4);  // the corners are rounded off
  // Nothing is left of what lies in the padding.
  mask.top = 100;
  EXPECT_TRUE(maskToImage(plan, mask).values.empty());
}

TEST(Outline, IsTheOuterBorderByItsCorners) {
  EXPECT_EQ(corners(outlineOf(maskOf({".....", ".###.", ".#.#.", ".###.", "....."}))),
            (std::vector<std::pair<int, int>>{{1, 1}, {1, 3}, {3, 3}, {3, 1}}));
  EXPECT_EQ(corners(outlineOf(maskOf({"#"}))), (std::vector<std::pair<int, int>>{{0, 0}}));
  EXPECT_EQ(corners(outlineOf(maskOf({"###"}))),
            (std::vector<std::pair<int, int>>{{0, 0}, {2, 0}}));
  EXPECT_TRUE(outlineOf(maskOf({"..", ".."})).empty());
}

TEST(Outline, IsThatOfTheObjectWithTheMostCorners) {
  const auto outline = outlineOf(maskOf({"###....", "###.#..", "...###.", "....#.."}));
  EXPECT_EQ(outline.size(), 9u);
}

TEST(Outline, PassesOverWhatLiesInAHole) {
  const auto outline = outlineOf(maskOf({"#######",  //
                                         "#.....#",  //
                                         "#..#..#",  //
                                         "#.###.#",  //
                                         "#..#..#",  //
                                         "#.....#",  //
                                         "#######"}));
  EXPECT_EQ(corners(outline), (std::vector<std::pair<int, int>>{{0, 0}, {0, 6}, {6, 6}, {6, 0}}));
}

}  // namespace
}  // namespace layerwise
