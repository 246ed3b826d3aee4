#pragma once

#include <functional>
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
/// Throws Error kBadFile for what is truncated, damaged or followed by something else.
std::string gunzip(std::string_view packed, std::string_view label,
                   const std::function<void(std::string_view)>& first);

/// Packs text into a file piece by piece.
class GzipWriter {
 public:
  GzipWriter(AtomicFile& file, std::string_view label);
  ~GzipWriter();
  void write(std::string_view text);
  void finish();

 private:
  struct Stream;
  void deflate(std::string_view text, int flush);
  std::unique_ptr<Stream> stream_;
};

}  // namespace layerwise
