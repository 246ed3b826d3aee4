#include "layerwise/preprocess.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "layerwise/error.h"
#include "tests/golden/procedural_image.h"

// Checksums of OpenCV's, PIL's, torchvision's and the reference letterbox's results, printed by
// tests/golden/make_vision_golden.py.

namespace layerwise {
namespace {

struct Resize {
  int channels;
  int width, height;
  int toWidth, toHeight;
  std::uint32_t crc[3];  // linear, area, antialias
};

constexpr Resize kResizes[] = {
    {3, 64, 48, 40, 33, {0x1ad3c494, 0x242284e6, 0x7ee1890e}},
    {3, 40, 33, 64, 48, {0x28997d8a, 0x4cde8e6e, 0x422eccdd}},
    {3, 60, 44, 30, 22, {0x92396d9d, 0x92396d9d, 0xd9a496d6}},
    {3, 60, 45, 20, 15, {0x57bb51b8, 0x39a682de, 0xe47d537c}},
    {3, 49, 98, 1, 2, {0xc62e96c7, 0x3117feab, 0x29cea5dd}},
    {3, 7, 5, 90, 3, {0xbd3c7adf, 0x1691eb7d, 0x53e44fb5}},
    {3, 1, 1, 9, 7, {0x00f9a4ac, 0x00f9a4ac, 0x00f9a4ac}},
    {3, 97, 13, 96, 14, {0x182992a9, 0x07ae35b7, 0x69e86396}},
    {1, 64, 48, 40, 33, {0xbb19d3e8, 0xd198d3c7, 0x69838b46}},
    {1, 40, 33, 64, 48, {0xa2f1f572, 0xcbd1bedb, 0x370dd6dd}},
    {1, 60, 44, 30, 22, {0xdf72c25b, 0xdf72c25b, 0x5d7a8110}},
    {1, 60, 45, 20, 15, {0xd2bd90e3, 0x147caf1c, 0x8da54c68}},
    {1, 49, 98, 1, 2, {0x97dfd101, 0x5ec32bfd, 0xc7ca7a47}},
    {1, 7, 5, 90, 3, {0xb59a7f21, 0xb25e3350, 0x13e4f1b5}},
    {1, 1, 1, 9, 7, {0x450ce2a9, 0x450ce2a9, 0x450ce2a9}},
    {1, 97, 13, 96, 14, {0xfbb104f7, 0x3c10be48, 0x259f6b5a}},
};

TEST(ResizeImage, EqualsOpenCvAndPilBitForBit) {
  for (const Resize& r : kResizes) {
    const PixelFormat format = r.channels == 3 ? PixelFormat::kRgb : PixelFormat::kGray;
    const ProceduralImage image(r.width, r.height, format);
    for (int filter = 0; filter < 3; ++filter) {
      std::vector<std::uint8_t> out(std::size_t(r.toWidth) * r.toHeight * r.channels);
      const MutableImageView to{out.data(), r.toWidth, r.toHeight,
                                std::int64_t{r.toWidth} * r.channels, format};
      resizeImage(image.view, to, static_cast<ResizeFilter>(filter));
      EXPECT_EQ(crcOf(out), r.crc[filter])
          << r.channels << " channels " << r.width << "x" << r.height << " to " << r.toWidth << "x"
          << r.toHeight << " filter " << filter;
    }
  }
}

struct LetterboxCase {
  int width, height;
  int inputWidth, inputHeight;
  bool rect, scaleUp, validation;
  int planWidth, planHeight;
  double gain, padX, padY;
  std::uint32_t crc;
};

constexpr LetterboxCase kLetterboxes[] = {
    {200, 113, 96, 96, 0, 1, 0, 96, 96, 0.48, 0.0, 20.880000000000003, 0xfd739626},
    {200, 113, 96, 96, 1, 1, 0, 96, 64, 0.48, 0.0, 4.880000000000003, 0x12f2b997},
    {113, 200, 96, 128, 1, 1, 0, 96, 128, 0.64, 11.839999999999996, 0.0, 0x4b73eceb},
    {50, 40, 96, 96, 0, 1, 0, 96, 96, 1.92, 0.0, 9.600000000000001, 0x38bbc5ad},
    {50, 40, 96, 96, 0, 0, 0, 96, 96, 1.0, 23.0, 28.0, 0x317b42ae},
    {192, 128, 96, 96, 0, 1, 0, 96, 96, 0.5, 0.0, 16.0, 0xe66851bc},
    {96, 77, 96, 96, 0, 1, 0, 96, 96, 1.0, 0.0, 9.5, 0x1d58278d},
    {200, 113, 96, 96, 0, 0, 1, 96, 96, 0.48672566371681414, 0.0, 20.5, 0x386cc15d},
    {200, 113, 96, 96, 1, 0, 1, 128, 96, 0.48672566371681414, 16.0, 20.5, 0x8d615713},
    {50, 40, 96, 96, 0, 0, 1, 96, 96, 1.925, 0.0, 9.5, 0x38bbc5ad},
    {61, 99, 96, 96, 1, 0, 1, 96, 128, 0.9696969696969697, 18.0, 16.0, 0x671dc9f6},
    {96, 64, 96, 96, 0, 0, 1, 96, 96, 1.0, 0.0, 16.0, 0x63dffd06},
};

Letterbox planOf(const LetterboxCase& c) {
  LetterboxOptions options;
  options.width = c.inputWidth;
  options.height = c.inputHeight;
  options.rect = c.rect;
  options.scaleUp = c.scaleUp;
  return c.validation ? planValidationLetterbox(c.width, c.height, options)
                      : planLetterbox(c.width, c.height, options);
}

TEST(Letterbox, EqualsTheReferenceBitForBit) {
  for (const LetterboxCase& c : kLetterboxes) {
    // The reference's pictures are in OpenCV's order.
    const ProceduralImage image(c.width, c.height, PixelFormat::kBgr);
    const Letterbox plan = planOf(c);
    ASSERT_EQ(plan.width, c.planWidth);
    ASSERT_EQ(plan.height, c.planHeight);
    EXPECT_EQ(plan.gain, c.gain);
    EXPECT_EQ(plan.padX, c.padX);
    EXPECT_EQ(plan.padY, c.padY);
    std::vector<float> planes(std::size_t(plan.width) * plan.height * 3, -1.0f);
    letterbox(image.view, plan, planes.data());
    EXPECT_EQ(crcOf(planes), c.crc)
        << c.width << "x" << c.height << " validation " << c.validation << " rect " << c.rect;
  }
}

TEST(Letterbox, ChannelOrderOfThePictureDoesNotMatter) {
  const ProceduralImage rgb(40, 30, PixelFormat::kRgb);
  std::vector<std::uint8_t> swapped = rgb.pixels;
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      std::uint8_t* pixel = &swapped[y * rgb.view.stride + 3 * x];
      std::swap(pixel[0], pixel[2]);
    }
  }
  const ImageView bgr{swapped.data(), 40, 30, rgb.view.stride, PixelFormat::kBgr};
  LetterboxOptions options;
  options.width = options.height = 64;
  const Letterbox plan = planLetterbox(40, 30, options);
  std::vector<float> a(64 * 64 * 3), b(64 * 64 * 3);
  letterbox(rgb.view, plan, a.data());
  letterbox(bgr, plan, b.data());
  EXPECT_EQ(a, b);

  const ProceduralImage gray(40, 30, PixelFormat::kGray);
  letterbox(gray.view, plan, a.data());
  EXPECT_EQ(0, std::memcmp(&a[0], &a[64 * 64], 64 * 64 * sizeof(float)));
  EXPECT_EQ(0, std::memcmp(&a[0], &a[2 * 64 * 64], 64 * 64 * sizeof(float)));
}

TEST(Letterbox, MapsBoxesBackAndClipsThem) {
  const Letterbox plan = planLetterbox(1280, 720, {});
  EXPECT_EQ(plan.left, 0);
  EXPECT_EQ(plan.top, 140);
  const Box box = boxToImage(plan, {100, 240, 200, 900});
  EXPECT_FLOAT_EQ(box.x1, 200);
  EXPECT_FLOAT_EQ(box.y1, 200);
  EXPECT_FLOAT_EQ(box.x2, 400);
  EXPECT_FLOAT_EQ(box.y2, 720);
}

TEST(Letterbox, AThinPictureKeepsAColumn) {
  const Letterbox plan = planLetterbox(1, 4000, {});
  EXPECT_EQ(plan.resizedWidth, 1);
  EXPECT_EQ(plan.width, 640);
  EXPECT_EQ(plan.height, 640);
  const ProceduralImage image(1, 4000, PixelFormat::kRgb);
  std::vector<float> planes(640 * 640 * 3);
  letterbox(image.view, plan, planes.data());
}

TEST(Letterbox, RefusesWhatCannotBeMeant) {
  EXPECT_THROW(planLetterbox(0, 10, {}), Error);
  LetterboxOptions options;
  options.width = -1;
  EXPECT_THROW(planLetterbox(10, 10, options), Error);
  options = {};
  options.rect = true;
  options.stride = 0;
  EXPECT_THROW(planLetterbox(10, 10, options), Error);
  const ProceduralImage image(10, 10, PixelFormat::kRgb);
  std::vector<float> planes(640 * 640 * 3);
  EXPECT_THROW(letterbox(image.view, planLetterbox(10, 11, {}), planes.data()), Error);
}

TEST(ClassificationInput, EqualsTorchvisionBitForBit) {
  struct Case {
    int width, height, resize, crop;
    std::uint32_t crc;
  };
  constexpr Case kCases[] = {
      {90, 70, 48, 40, 0x6dcb976b},  {70, 90, 48, 48, 0xc69cffcd}, {33, 31, 0, 40, 0x31f7146a},
      {41, 300, 64, 63, 0x153d50c9}, {30, 20, 25, 32, 0xe606af77},
  };
  for (const Case& c : kCases) {
    const ProceduralImage image(c.width, c.height, PixelFormat::kRgb);
    std::vector<float> planes(std::size_t(c.crop) * c.crop * 3);
    classificationInput(image.view, {c.resize, c.crop, kImageNetRange}, planes.data());
    EXPECT_EQ(crcOf(planes), c.crc) << c.width << "x" << c.height;
  }
}

TEST(CenterSquareInput, EqualsTheReferenceBitForBit) {
  const ProceduralImage image(90, 70, PixelFormat::kRgb);
  std::vector<float> planes(32 * 32 * 3);
  centerSquareInput(image.view, 32, kImageNetRange, planes.data());
  EXPECT_EQ(crcOf(planes), 0xcc8f2b2eu);
}

TEST(StretchInput, EqualsTorchvisionBitForBit) {
  const ProceduralImage image(90, 70, PixelFormat::kRgb);
  std::vector<float> planes(100 * 36 * 3);
  stretchInput(image.view, 100, 36, planes.data());
  EXPECT_EQ(crcOf(planes), 0xb54790e8u);
}

TEST(GrayInput, EqualsPilBitForBit) {
  const ProceduralImage image(90, 70, PixelFormat::kRgb);
  std::vector<float> plane(32 * 32);
  grayInput(image.view, 32, 2, kUnitRange, plane.data());
  EXPECT_EQ(crcOf(plane), 0xef10d99au);
}

TEST(GrayInput, PutsADigitInsideItsBorder) {
  const ProceduralImage digit(28, 28, PixelFormat::kGray);
  std::vector<float> plane(32 * 32);
  grayInput(digit.view, 32, 2, {{0.5f, 0, 0}, {0.25f, 1, 1}}, plane.data());
  EXPECT_EQ(plane[0], (0.0f - 0.5f) / 0.25f);
  EXPECT_EQ(plane[2 * 32 + 2], (digit.view.row(0)[0] / 255.0f - 0.5f) / 0.25f);
  EXPECT_EQ(plane[29 * 32 + 29], (digit.view.row(27)[27] / 255.0f - 0.5f) / 0.25f);
  const ProceduralImage full(32, 32, PixelFormat::kGray);
  grayInput(full.view, 32, 2, kUnitRange, plane.data());
  EXPECT_EQ(plane[0], full.view.row(0)[0] / 255.0f);
}

}  // namespace
}  // namespace layerwise
