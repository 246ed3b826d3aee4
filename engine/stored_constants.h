#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/graph.h"
#include "files/file.h"

namespace layerwise {

/// The constants that an engine uses where its plan lies. Each is compared with its checksum when
/// it is first read, so that it comes from memory once, and by several threads. Safe from several
/// threads once all are added.
class StoredConstants {
 public:
  /// `label` opens the messages; `file` is where the plan is mapped from, or null.
  explicit StoredConstants(std::string label, std::shared_ptr<const MappedFile> file = nullptr)
      : label_(std::move(label)), file_(std::move(file)) {}

  /// Throws Error kBadFile where the same bytes were added with another size or checksum.
  void add(const std::byte* bytes, std::uint64_t size, std::uint64_t checksum,
           const std::string& layer);
  /// Throws Error kBadFile, naming file and layer, unless a constant is what was stored. Those that
  /// are not in the plan's memory pass.
  void check(const ConstantData& constant) const;
  void checkAll() const;
  /// Takes a large constant's pages out of the memory until they are touched again.
  void release(const ConstantData& constant) const;
  /// Likewise the whole file's.
  void releaseAll() const;

 private:
  struct Entry {
    std::uint64_t size, checksum;
    std::string layer;
    mutable std::atomic<bool> checked = false;
  };
  void compare(const std::byte* bytes, const Entry& entry) const;

  std::string label_;
  std::shared_ptr<const MappedFile> file_;
  std::map<const std::byte*, Entry> entries_;
};

}  // namespace layerwise
