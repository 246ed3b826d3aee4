#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "layerwise/data_type.h"
#include "layerwise/export.h"

namespace layerwise {

/// A borrowed view of `count` values: a layer keeps it until the build, which copies it.
struct Weights {
  DataType type = DataType::kFloat32;
  const void* values = nullptr;
  std::int64_t count = 0;

  bool empty() const { return count == 0; }
};

/// The tensors of a `.wts` file by name, in the file's order, and the metadata of its sidecar file.
///
/// A `.wts` is text. Its first line is the number of tensors; each further one is a tensor: its
/// key, the count of its values, and for each value the big-endian print of a float32 (`1.0` is
/// `3f800000`), all separated by blanks. Words may have a `0x` in front and lack leading zeros.
/// `<path>.json` beside it, the sidecar file, is one JSON object of strings.
///
/// Reading a tensor with at() or find() marks its key as used, so that after a network is defined
/// the user can be told what the network did not touch. A WeightMap is movable; Weights taken from
/// it stay valid while the map (or the one it was moved to) lives, and their values begin on a
/// multiple of 64 bytes. What was moved from may only be assigned to or destroyed. Not safe for
/// concurrent calls.
class LAYERWISE_API WeightMap {
 public:
  WeightMap();
  ~WeightMap();
  WeightMap(WeightMap&&) noexcept;
  WeightMap& operator=(WeightMap&&) noexcept;

  /// Reads `.wts`, `.weights` and `.wts.gz` (known by content, not by name), and `<path>.json`
  /// beside it where that exists. `threads` 0: all cores. Throws Error naming file, line and key:
  /// kBadFile for what the file holds, kIo where it cannot be read.
  static WeightMap load(const std::string& path, int threads = 0);

  /// Writes a `.wts` (gzip where the name ends in `.gz`) through a temporary name, and
  /// `<path>.json` where there is metadata; where there is none, an old `<path>.json` is removed.
  /// Throws Error kIo.
  void save(const std::string& path) const;

  /// Adds a tensor, copying the values; throws Error kInvalidArgument for a key that is there
  /// already, is empty or holds a blank.
  void add(const std::string& key, std::vector<float> values);

  bool contains(std::string_view key) const;  ///< does not mark the key as used
  /// The tensor, or an empty Weights.
  Weights find(std::string_view key) const;
  /// The tensor; throws Error kMissingWeights that names the key and the nearest existing ones.
  Weights at(std::string_view key) const;
  /// at(), and the count is checked: throws Error kInvalidShape with both numbers.
  Weights at(std::string_view key, std::int64_t expectedCount) const;
  /// The number of values of a tensor, -1 where there is none; does not mark the key as used.
  std::int64_t count(std::string_view key) const;

  const std::vector<std::string>& keys() const;  ///< in the file's order
  std::vector<std::string> unusedKeys() const;   ///< in the file's order
  /// The existing key with the smallest edit distance, or an empty string where none is close.
  std::string nearestKey(std::string_view key) const;

  /// What gen_wts wrote beside the tensors: "names" (one class name a line), "task", "imgsz", ...
  /// Free text by key.
  std::map<std::string, std::string>& metadata();
  const std::map<std::string, std::string>& metadata() const;

  const std::string& path() const;  ///< the file it was read from; empty for a map made in memory

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace layerwise
