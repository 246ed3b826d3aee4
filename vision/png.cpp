#include "vision/png.h"

#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "layerwise/error.h"
#include "vision/exif.h"

namespace layerwise {
namespace {

/// What libpng's callbacks need; errors jump back with the message kept here.
struct PngState {
  std::span<const std::uint8_t> input;
  std::size_t position = 0;
  std::vector<std::uint8_t> output;
  char message[128] = "";
  std::vector<png_bytep> rows;
  png_structp png = nullptr;
  png_infop info = nullptr;
  bool writing = false;

  ~PngState() {
    if (writing) {
      png_destroy_write_struct(&png, &info);
    } else {
      png_destroy_read_struct(&png, &info, nullptr);
    }
  }
};

[[noreturn]] void failPng(png_structp png, png_const_charp message) {
  auto* state = static_cast<PngState*>(png_get_error_ptr(png));
  std::snprintf(state->message, sizeof state->message, "%s", message);
  png_longjmp(png, 1);
}

void dropWarning(png_structp, png_const_charp) {}

void readBytes(png_structp png, png_bytep to, std::size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  if (state->input.size() - state->position < count) png_error(png, "the file is truncated");
  std::memcpy(to, state->input.data() + state->position, count);
  state->position += count;
}

void writeBytes(png_structp png, png_bytep from, std::size_t count) {
  auto* state = static_cast<PngState*>(png_get_io_ptr(png));
  // An exception must not pass through libpng.
  try {
    state->output.insert(state->output.end(), from, from + count);
  } catch (const std::bad_alloc&) {
    png_error(png, "out of memory");
  }
}

void flushNothing(png_structp) {}

struct Header {
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int orientation = 1;
};

/// False on an error, whose message is then in the state. These functions hold no object with a
/// destructor: longjmp would skip it.
bool readHeader(PngState& state, Header& header) {
  if (setjmp(png_jmpbuf(state.png))) return false;
  png_set_read_fn(state.png, &state, readBytes);
  png_set_user_limits(state.png, 1u << 24, 1u << 24);
  png_read_info(state.png, state.info);
  header.width = png_get_image_width(state.png, state.info);
  header.height = png_get_image_height(state.png, state.info);
  png_uint_32 exifSize = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(state.png, state.info, &exifSize, &exif) && exif) {
    header.orientation = exifOrientation({exif, exifSize});
  }
  return true;
}

bool readPixels(PngState& state) {
  if (setjmp(png_jmpbuf(state.png))) return false;
  png_set_expand(state.png);  // palettes and less than 8 bits
  png_set_strip_16(state.png);
  png_set_strip_alpha(state.png);
  png_set_gray_to_rgb(state.png);
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  if (png_get_rowbytes(state.png, state.info) !=
      std::size_t{png_get_image_width(state.png, state.info)} * 3) {
    png_error(state.png, "unexpected pixel format");
  }
  png_read_image(state.png, state.rows.data());
  png_read_end(state.png, nullptr);  // so that a file cut off in its tail is refused too
  return true;
}

bool compress(PngState& state, const ImageView& image) {
  if (setjmp(png_jmpbuf(state.png))) return false;
  png_set_write_fn(state.png, &state, writeBytes, flushNothing);
  const bool gray = image.format == PixelFormat::kGray;
  png_set_IHDR(state.png, state.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8,
               gray ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(state.png, state.info);
  if (image.format == PixelFormat::kBgr) png_set_bgr(state.png);
  for (int y = 0; y < image.height; ++y) png_write_row(state.png, image.row(y));
  png_write_end(state.png, state.info);
  return true;
}

}  // namespace

DecodedPng decodePng(std::span<const std::uint8_t> bytes, const std::string& name) {
  PngState state;
  state.input = bytes;
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::kBadFile, fmt::format("[image {}] not a readable PNG: {}", name, why));
  };
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, failPng, dropWarning);
  state.info = state.png ? png_create_info_struct(state.png) : nullptr;
  if (!state.info) throw Error(ErrorCode::kOutOfMemory, fmt::format("[image {}] no memory", name));
  Header header;
  if (!readHeader(state, header)) throw refuse(state.message);
  const std::int64_t pixels = std::int64_t{header.width} * header.height;
  if (pixels > kMaxImagePixels) {
    throw refuse(fmt::format("{}x{} is {} pixels, {} are the limit", header.width, header.height,
                             pixels, kMaxImagePixels));
  }
  DecodedPng decoded;
  decoded.orientation = header.orientation;
  decoded.image.width = static_cast<int>(header.width);
  decoded.image.height = static_cast<int>(header.height);
  decoded.image.pixels.resize(static_cast<std::size_t>(pixels) * 3);
  state.rows.resize(header.height);
  for (std::size_t y = 0; y < header.height; ++y) {
    state.rows[y] = decoded.image.pixels.data() + y * header.width * 3;
  }
  if (!readPixels(state)) throw refuse(state.message);
  return decoded;
}

std::vector<std::uint8_t> encodePng(const ImageView& image, const std::string& name) {
  PngState state;
  state.writing = true;
  state.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, failPng, dropWarning);
  state.info = state.png ? png_create_info_struct(state.png) : nullptr;
  if (!state.info) throw Error(ErrorCode::kOutOfMemory, fmt::format("[image {}] no memory", name));
  if (!compress(state, image)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[image {}] cannot be a PNG: {}", name, state.message));
  }
  return std::move(state.output);
}

}  // namespace layerwise
