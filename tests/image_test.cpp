#include "layerwise/image.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "folder_test_case.h"
#include "layerwise/error.h"
#include "tests/golden/procedural_image.h"

namespace layerwise::test {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
  return fs::path(LAYERWISE_SOURCE_DIR) / "tests/golden" / name;
}

std::vector<std::uint8_t> bytesOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using ImageFiles = FolderTest;

void expectError(ErrorCode code, const std::string& part, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error, expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

struct GoldenImage {
  const char* name;
  int width;
  int height;
  std::uint32_t crc;
};

// OpenCV's pixels; PIL's for cmyk.jpg (tests/golden/make_vision_golden.py).
constexpr GoldenImage kGolden[] = {
    {"420.jpg", 17, 13, 0x160b983e},        {"422_progressive.jpg", 17, 13, 0xe8065fe0},
    {"cmyk.jpg", 17, 13, 0xab1ced0e},       {"exif2.jpg", 17, 13, 0xcd11110d},
    {"exif3.jpg", 17, 13, 0xb7a427b1},      {"exif4.jpg", 17, 13, 0x62d666a5},
    {"exif5.jpg", 13, 17, 0xcf06e35f},      {"exif6.jpg", 13, 17, 0x3768711b},
    {"exif7.jpg", 13, 17, 0xe3444206},      {"exif8.jpg", 13, 17, 0xcd99eec8},
    {"gray.jpg", 17, 13, 0x59e97690},       {"alpha.png", 17, 13, 0x2c4838e2},
    {"bits.png", 17, 13, 0xfbb66538},       {"gray.png", 17, 13, 0x4ea2a4c3},
    {"interlaced.png", 17, 13, 0x2c4838e2}, {"palette4.png", 17, 13, 0x1c04f8a3},
    {"rgb16.png", 17, 13, 0xb81abef6},
};

TEST(ReadImage, GivesTheReferencePixels) {
  for (const GoldenImage& expected : kGolden) {
    const Image image = readImage(golden(expected.name).string());
    EXPECT_EQ(image.width, expected.width) << expected.name;
    EXPECT_EQ(image.height, expected.height) << expected.name;
    EXPECT_EQ(crcOf(image.pixels), expected.crc) << expected.name;
  }
}

TEST_F(ImageFiles, PngComesBackInEveryFormat) {
  for (PixelFormat format : {PixelFormat::kRgb, PixelFormat::kBgr, PixelFormat::kGray}) {
    const ProceduralImage original(19, 7, format);
    writeImage(path("x.png"), original.view);
    const Image image = readImage(path("x.png"));
    ASSERT_EQ(image.width, 19);
    ASSERT_EQ(image.height, 7);
    for (int y = 0; y < 7; ++y) {
      for (int x = 0; x < 19; ++x) {
        for (int c = 0; c < 3; ++c) {
          const std::uint8_t* row = original.view.row(y);
          const int expected = format == PixelFormat::kGray  ? row[x]
                               : format == PixelFormat::kBgr ? row[3 * x + 2 - c]
                                                             : row[3 * x + c];
          ASSERT_EQ(image.pixels[(y * 19 + x) * 3 + c], expected);
        }
      }
    }
  }
}

TEST_F(ImageFiles, JpegKeepsColours) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 32 * 32; ++i) pixels.insert(pixels.end(), {10, 100, 200});
  writeImage(path("x.JPG"), {pixels.data(), 32, 32, 96, PixelFormat::kBgr});
  const Image image = readImage(path("x.JPG"));
  EXPECT_NEAR(image.pixels[0], 200, 3);
  EXPECT_NEAR(image.pixels[1], 100, 3);
  EXPECT_NEAR(image.pixels[2], 10, 3);
}

TEST_F(ImageFiles, AFailedWriteLeavesNothing) {
  const ProceduralImage image(5, 5, PixelFormat::kRgb);
  expectError(ErrorCode::kInvalidArgument, "x.bmp] the name must end",
              [&] { writeImage(path("x.bmp"), image.view); });
  expectError(ErrorCode::kIo, "none/x.png]", [&] { writeImage(path("none/x.png"), image.view); });
  expectError(ErrorCode::kInvalidArgument, "no pixels", [&] {
    writeImage(path("x.png"), {nullptr, 5, 5, 15, PixelFormat::kRgb});
  });
  expectError(ErrorCode::kInvalidArgument, "stride", [&] {
    writeImage(path("x.png"), {image.pixels.data(), 5, 5, 3});
  });
  expectError(ErrorCode::kInvalidArgument, "x.jpg] cannot be a JPEG", [&] {
    const std::vector<std::uint8_t> wide(70000);
    writeImage(path("x.jpg"), {wide.data(), 70000, 1, 70000, PixelFormat::kGray});
  });
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(ImageFiles, NamesWhatIsNotAPicture) {
  write("empty.jpg", "");
  write("a.jpg", "GIF89a and more");
  write("b.png", "hello");
  expectError(ErrorCode::kBadFile, "empty.jpg] the file is empty",
              [&] { readImage(path("empty.jpg")); });
  expectError(ErrorCode::kUnsupported, "a.jpg] the file is a GIF",
              [&] { readImage(path("a.jpg")); });
  expectError(ErrorCode::kUnsupported, "b.png]", [&] { readImage(path("b.png")); });
  expectError(ErrorCode::kIo, "missing.png]", [&] { readImage(path("missing.png")); });
  expectError(ErrorCode::kIo, "folder", [&] { readImage(folder_.string()); });
}

TEST(DecodeImage, RefusesHugeSizesBeforeAllocating) {
  auto jpeg = bytesOf(golden("420.jpg"));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) {
      for (std::size_t k = 5; k < 9; ++k) jpeg[i + k] = 0xfd;
      break;
    }
  }
  expectError(ErrorCode::kBadFile, "[image x] not a readable JPEG: 65021x65021 is",
              [&] { decodeImage(jpeg, "x"); });

  auto png = bytesOf(golden("gray.png"));
  png[16 + 2] = png[20 + 2] = 0x80;  // the header: 32 785 x 32 781
  const auto crc = static_cast<std::uint32_t>(crc32(0, &png[12], 17));
  for (int k = 0; k < 4; ++k) png[29 + k] = static_cast<std::uint8_t>(crc >> (24 - 8 * k));
  expectError(ErrorCode::kBadFile, "[image x] not a readable PNG: 32785x32781 is",
              [&] { decodeImage(png, "x"); });
}

TEST(DecodeImage, RefusesEveryTruncation) {
  for (const GoldenImage& file : kGolden) {
    const auto bytes = bytesOf(golden(file.name));
    ASSERT_FALSE(bytes.empty());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      // The two bytes of a JPEG's end marker carry nothing.
      if (std::string(file.name).ends_with(".jpg") && size + 2 >= bytes.size()) break;
      EXPECT_THROW(decodeImage({bytes.data(), size}, file.name), Error)
          << file.name << " cut to " << size << " of " << bytes.size();
    }
  }
}

TEST(DecodeImage, SurvivesFlippedBits) {
  std::mt19937 random(3);
  int refused = 0;
  int read = 0;
  for (const GoldenImage& file : kGolden) {
    const auto bytes = bytesOf(golden(file.name));
    for (int trial = 0; trial < 200; ++trial) {
      auto damaged = bytes;
      for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] ^= 1u << random() % 8;
      try {
        const Image image = decodeImage(damaged, file.name);
        ASSERT_EQ(image.pixels.size(), std::size_t(image.width) * image.height * 3);
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace layerwise::test
