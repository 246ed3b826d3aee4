#include "files/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::size_t kPiece = 256 * 1024;
constexpr int kGzipWindow = MAX_WBITS + 16;  // zlib's way of saying "gzip header and trailer"
// Deflate's best case: a longer text cannot come out, whatever the trailer claims.
constexpr std::size_t kMaxRatio = 1032;

Error badGzip(std::string_view label, std::string_view what) {
  return Error(ErrorCode::kBadFile, fmt::format("[{}] {}", label, what));
}

class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream, kGzipWindow) != Z_OK)
      throw Error(ErrorCode::kOutOfMemory, "[gzip] no memory to unpack");
  }
  ~Inflater() { inflateEnd(&stream); }
  z_stream stream{};
};

// The text's size as the last member's trailer claims it (modulo 2^32): only a hint.
std::size_t claimedSize(std::string_view packed) {
  std::uint32_t claimed = 0;
  if (packed.size() >= 18) std::memcpy(&claimed, packed.data() + packed.size() - 4, 4);
  return std::min<std::size_t>(claimed, packed.size() * kMaxRatio);
}

}  // namespace

std::string gunzip(std::string_view packed, std::string_view label,
                   const std::function<void(std::string_view)>& first, std::size_t most) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string text;
  std::string piece(kPiece, '\0');
  auto* const begin = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  const Bytef* const end = begin + packed.size();
  stream.next_in = begin;
  while (true) {
    stream.avail_in = static_cast<uInt>(
        std::min<std::size_t>(end - stream.next_in, std::numeric_limits<uInt>::max()));
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = kPiece;
    const int code = inflate(&stream, Z_NO_FLUSH);
    const bool atStart = text.empty();
    text.append(piece.data(), kPiece - stream.avail_out);
    if (text.size() > most)
      throw badGzip(label, fmt::format("the gzip data unfolds into more than {} bytes", most));
    if (code == Z_STREAM_END) {
      if (atStart) first(text);
      if (stream.next_in == end) return text;
      if (!isGzip({reinterpret_cast<const char*>(stream.next_in),
                   static_cast<std::size_t>(end - stream.next_in)}))
        throw badGzip(label, fmt::format("{} bytes follow the end of the gzip data at byte {}",
                                         end - stream.next_in, stream.next_in - begin));
      inflateReset(&stream);
      continue;
    }
    if (code == Z_MEM_ERROR)
      throw Error(ErrorCode::kOutOfMemory, fmt::format("[{}] no memory to unpack", label));
    if (code != Z_OK && code != Z_BUF_ERROR)
      throw badGzip(label,
                    fmt::format("the gzip data is damaged at byte {}: {}", stream.next_in - begin,
                                stream.msg != nullptr ? stream.msg : "unexpected contents"));
    if (stream.next_in == end && stream.avail_out != 0)
      throw badGzip(label, fmt::format("the gzip data is truncated: it ends at byte {} inside the "
                                       "compressed text",
                                       packed.size()));
    if (atStart && !text.empty()) {
      first(text);
      text.reserve(std::min(claimedSize(packed), most));
    }
  }
}

std::string gzipped(std::string_view text, std::string_view label) {
  std::string packed;
  GzipWriter writer([&](std::string_view piece) { packed += piece; }, label);
  writer.write(text);
  writer.finish();
  return packed;
}

struct GzipWriter::Stream {
  z_stream z{};
  Sink sink;
  std::string piece = std::string(kPiece, '\0');
};

GzipWriter::GzipWriter(Sink sink, std::string_view label) : stream_(std::make_unique<Stream>()) {
  stream_->sink = std::move(sink);
  // Hex digits of trained weights hold almost no repetition: higher levels take several times as
  // long for two or three per cent.
  if (deflateInit2(&stream_->z, 1, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw Error(ErrorCode::kOutOfMemory, fmt::format("[{}] no memory to pack", label));
}

GzipWriter::~GzipWriter() {
  deflateEnd(&stream_->z);
}

void GzipWriter::write(std::string_view text) {
  constexpr std::size_t kMost = 1u << 30;
  for (; text.size() > kMost; text.remove_prefix(kMost)) deflate(text.substr(0, kMost), Z_NO_FLUSH);
  deflate(text, Z_NO_FLUSH);
}

void GzipWriter::finish() {
  deflate({}, Z_FINISH);
}

void GzipWriter::deflate(std::string_view text, int flush) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  do {
    z.next_out = reinterpret_cast<Bytef*>(stream_->piece.data());
    z.avail_out = kPiece;
    ::deflate(&z, flush);
    stream_->sink({stream_->piece.data(), kPiece - z.avail_out});
  } while (z.avail_out == 0);
}

}  // namespace layerwise
