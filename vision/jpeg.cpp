#include "vision/jpeg.h"

#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

// jpeglib.h needs FILE and size_t declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include "layerwise/error.h"
#include "vision/exif.h"

namespace layerwise {
namespace {

/// libjpeg reports through function pointers: errors jump back to the caller's setjmp with the
/// message kept here, warnings are silent, except that the data came to an end, which is an error.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void failJpeg(j_common_ptr codec) {
  auto* errors = reinterpret_cast<JpegErrors*>(codec->err);
  errors->manager.format_message(codec, errors->message);
  std::longjmp(errors->jump, 1);
}

void noteMessage(j_common_ptr codec, int level) {
  if (level < 0 && codec->err->msg_code == JWRN_JPEG_EOF) {
    auto* errors = reinterpret_cast<JpegErrors*>(codec->err);
    std::snprintf(errors->message, sizeof errors->message, "the file is truncated");
    std::longjmp(errors->jump, 1);
  }
}

void dropMessage(j_common_ptr) {}

/// A progressive file of a few kB can ask for thousands of passes over a huge picture.
void limitScans(j_common_ptr codec) {
  constexpr int kMaxScans = 500;
  if (!codec->is_decompressor) return;
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number > kMaxScans) {
    auto* errors = reinterpret_cast<JpegErrors*>(codec->err);
    std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMaxScans);
    std::longjmp(errors->jump, 1);
  }
}

void useErrors(jpeg_error_mgr*& slot, JpegErrors& errors) {
  slot = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = failJpeg;
  errors.manager.emit_message = noteMessage;
  errors.manager.output_message = dropMessage;
}

struct Decompressor {
  jpeg_decompress_struct codec{};
  JpegErrors errors;
  jpeg_progress_mgr progress{};
  std::vector<std::uint8_t> line;  // one CMYK row
  ~Decompressor() { jpeg_destroy_decompress(&codec); }
};

/// How PIL converts: Adobe writes CMYK inverted; what else writes it does not.
void cmykRowToRgb(const std::uint8_t* from, std::uint8_t* to, int width, bool inverted) {
  for (int x = 0; x < width; ++x, from += 4, to += 3) {
    const int white = inverted ? from[3] : 255 - from[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? 255 - from[c] : from[c];
      const int product = ink * white + 128;
      to[c] = static_cast<std::uint8_t>(white - ((product + (product >> 8)) >> 8));
    }
  }
}

int orientationOf(const jpeg_decompress_struct& codec) {
  constexpr char kExif[] = {'E', 'x', 'i', 'f', 0, 0};
  for (auto* marker = codec.marker_list; marker; marker = marker->next) {
    if (marker->marker != JPEG_APP0 + 1 || marker->data_length <= sizeof kExif) continue;
    if (std::memcmp(marker->data, kExif, sizeof kExif) != 0) continue;
    return exifOrientation(
        {marker->data + sizeof kExif, marker->data_length - std::size_t{sizeof kExif}});
  }
  return 1;
}

/// False on an error, whose message is then in errors. Holds no object with a destructor: longjmp
/// would skip it.
bool readHeader(Decompressor& jpeg, std::span<const std::uint8_t> bytes) {
  if (setjmp(jpeg.errors.jump)) return false;
  jpeg_create_decompress(&jpeg.codec);
  jpeg.progress.progress_monitor = limitScans;
  jpeg.codec.progress = &jpeg.progress;
  jpeg_mem_src(&jpeg.codec, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_save_markers(&jpeg.codec, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&jpeg.codec, TRUE);
  const bool fourInks = jpeg.codec.num_components == 4;
  jpeg.codec.out_color_space = fourInks ? JCS_CMYK : JCS_RGB;
  return true;
}

bool readPixels(Decompressor& jpeg, Image& image) {
  if (setjmp(jpeg.errors.jump)) return false;
  jpeg_start_decompress(&jpeg.codec);
  while (jpeg.codec.output_scanline < jpeg.codec.output_height) {
    std::uint8_t* row = &image.pixels[std::size_t{jpeg.codec.output_scanline} * image.width * 3];
    if (jpeg.codec.out_color_space == JCS_CMYK) {
      JSAMPROW line = jpeg.line.data();
      jpeg_read_scanlines(&jpeg.codec, &line, 1);
      cmykRowToRgb(line, row, image.width, jpeg.codec.saw_Adobe_marker != 0);
    } else {
      jpeg_read_scanlines(&jpeg.codec, &row, 1);
    }
  }
  return true;
}

struct Compressor {
  jpeg_compress_struct codec{};
  JpegErrors errors;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  std::vector<std::uint8_t> line;  // one BGR row turned to RGB
  ~Compressor() {
    jpeg_destroy_compress(&codec);
    std::free(bytes);
  }
};

bool compress(Compressor& jpeg, const ImageView& image, int quality) {
  if (setjmp(jpeg.errors.jump)) return false;
  jpeg_create_compress(&jpeg.codec);
  jpeg_mem_dest(&jpeg.codec, &jpeg.bytes, &jpeg.size);
  const bool gray = image.format == PixelFormat::kGray;
  jpeg.codec.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.codec.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.codec.input_components = gray ? 1 : 3;
  jpeg.codec.in_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&jpeg.codec);
  jpeg_set_quality(&jpeg.codec, quality, TRUE);
  jpeg_start_compress(&jpeg.codec, TRUE);
  for (int y = 0; y < image.height; ++y) {
    auto* row = const_cast<std::uint8_t*>(image.row(y));  // libjpeg only reads it
    if (image.format == PixelFormat::kBgr) {
      for (int x = 0; x < image.width; ++x) {
        jpeg.line[3 * x] = row[3 * x + 2];
        jpeg.line[3 * x + 1] = row[3 * x + 1];
        jpeg.line[3 * x + 2] = row[3 * x];
      }
      row = jpeg.line.data();
    }
    jpeg_write_scanlines(&jpeg.codec, &row, 1);
  }
  jpeg_finish_compress(&jpeg.codec);
  return true;
}

}  // namespace

DecodedJpeg decodeJpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  auto jpeg = std::make_unique<Decompressor>();
  useErrors(jpeg->codec.err, jpeg->errors);
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::kBadFile, fmt::format("[image {}] not a readable JPEG: {}", name, why));
  };
  if (!readHeader(*jpeg, bytes)) throw refuse(jpeg->errors.message);
  DecodedJpeg decoded;
  decoded.image.width = static_cast<int>(jpeg->codec.image_width);
  decoded.image.height = static_cast<int>(jpeg->codec.image_height);
  const std::int64_t pixels = std::int64_t{decoded.image.width} * decoded.image.height;
  if (pixels > kMaxImagePixels) {
    throw refuse(fmt::format("{}x{} is {} pixels, {} are the limit", decoded.image.width,
                             decoded.image.height, pixels, kMaxImagePixels));
  }
  decoded.orientation = orientationOf(jpeg->codec);
  decoded.image.pixels.resize(static_cast<std::size_t>(pixels) * 3);
  jpeg->line.resize(std::size_t{jpeg->codec.image_width} * 4);
  if (!readPixels(*jpeg, decoded.image)) throw refuse(jpeg->errors.message);
  return decoded;
}

std::vector<std::uint8_t> encodeJpeg(const ImageView& image, int quality, const std::string& name) {
  auto jpeg = std::make_unique<Compressor>();
  useErrors(jpeg->codec.err, jpeg->errors);
  jpeg->line.resize(static_cast<std::size_t>(image.width) * 3);
  if (!compress(*jpeg, image, quality)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[image {}] cannot be a JPEG: {}", name, jpeg->errors.message));
  }
  return {jpeg->bytes, jpeg->bytes + jpeg->size};
}

}  // namespace layerwise
