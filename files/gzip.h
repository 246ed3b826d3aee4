#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "files/file.h"

namespace layerwise {

inline bool isGzip(std::string_view bytes) {
  return bytes.starts_with("\x1f\x8b");
}

/// Unpacks a gzip file of one or several members, sizes and checksums compared. `first` sees the
/// text's first piece before the rest is unpacked, and throws where that is not worth doing.
/// Throws Error kBadFile for what is truncated, damaged, followed by something else, or longer than
/// `most` bytes.
std::string gunzip(std::string_view packed, std::string_view label,
                   const std::function<void(std::string_view)>& first,
                   std::size_t most = std::numeric_limits<std::size_t>::max());
/// Packs bytes that are in memory.
std::string gzipped(std::string_view text, std::string_view label);

/// Packs text piece by piece; what comes out goes to `sink`.
class GzipWriter {
 public:
  using Sink = std::function<void(std::string_view)>;
  GzipWriter(Sink sink, std::string_view label);
  GzipWriter(AtomicFile& file, std::string_view label)
      : GzipWriter([&file](std::string_view piece) { file.write(piece); }, label) {}
  ~GzipWriter();
  void write(std::string_view text);
  void finish();

 private:
  struct Stream;
  void deflate(std::string_view text, int flush);
  std::unique_ptr<Stream> stream_;
};

}  // namespace layerwise
