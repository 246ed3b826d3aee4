#include "layerwise/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "files/file.h"
#include "layerwise/error.h"
#include "vision/exif.h"
#include "vision/jpeg.h"
#include "vision/png.h"
#include "vision/view_check.h"

namespace layerwise {
namespace {

using namespace std::string_view_literals;

constexpr auto kJpegMagic = "\xff\xd8\xff"sv;
constexpr auto kPngMagic = "\x89PNG\r\n\x1a\n"sv;

/// What a file of another kind is, by its first bytes.
std::string_view foreignKind(std::string_view bytes) {
  struct Kind {
    std::string_view magic;
    std::size_t at;
    std::string_view name;
  };
  static constexpr Kind kKinds[] = {
      {"GIF8"sv, 0, "a GIF"},           {"BM"sv, 0, "a BMP"},
      {"WEBP"sv, 8, "a WebP"},          {"II*\0"sv, 0, "a TIFF"},
      {"MM\0*"sv, 0, "a TIFF"},         {"ftyp"sv, 4, "a HEIF, AVIF or MP4 file"},
      {"%PDF"sv, 0, "a PDF"},           {"\x1a\x45\xdf\xa3"sv, 0, "a Matroska video"},
      {"AVI "sv, 8, "an AVI video"},    {"PK\3\4"sv, 0, "a zip file"},
      {"\x1f\x8b"sv, 0, "a gzip file"},
  };
  for (const Kind& kind : kKinds) {
    if (bytes.size() >= kind.at && bytes.substr(kind.at).starts_with(kind.magic)) return kind.name;
  }
  return "of an unknown kind";
}

std::string lowerExtension(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

}  // namespace

Image decodeImage(std::span<const std::uint8_t> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) {
    throw Error(ErrorCode::kBadFile, fmt::format("[image {}] the file is empty", name));
  }
  if (text.starts_with(kJpegMagic)) {
    DecodedJpeg jpeg = decodeJpeg(bytes, name);
    return applyOrientation(std::move(jpeg.image), jpeg.orientation);
  }
  if (text.starts_with(kPngMagic)) {
    DecodedPng png = decodePng(bytes, name);
    return applyOrientation(std::move(png.image), png.orientation);
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("[image {}] the file is {}, JPEG and PNG are read", name, foreignKind(text)));
}

Image readImage(const std::string& path) {
  const MappedFile file(path, "image");
  return decodeImage({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, path);
}

void writeImage(const std::string& path, const ImageView& image) {
  constexpr int kJpegQuality = 95;
  checkView(image, "image " + path);
  const std::string extension = lowerExtension(path);
  std::vector<std::uint8_t> bytes;
  if (extension == ".jpg" || extension == ".jpeg") {
    bytes = encodeJpeg(image, kJpegQuality, path);
  } else if (extension == ".png") {
    bytes = encodePng(image, path);
  } else {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[image {}] the name must end in .jpg, .jpeg or .png", path));
  }
  AtomicFile file(path, "image");
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace layerwise
