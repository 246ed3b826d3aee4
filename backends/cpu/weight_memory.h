#pragma once

#include <cstddef>
#include <memory>

namespace layerwise::cpu {

/// Whether a large page that the system has just cleared stays in the second-level cache until it
/// is packed into. Where not, it is better cleared long before, and written past the caches.
bool keepsClearedPages();

/// Memory for packed weights: 64-byte aligned, readable for 64 bytes beyond its end, zeros at
/// first. Pieces of all sizes lie side by side in large pages: a small page's first touch costs
/// more than what is packed into it, and a large one for each piece would waste most of it.
class WeightMemory {
 public:
  /// Throws Error kOutOfMemory.
  explicit WeightMemory(std::size_t bytes = 0);
  std::byte* data() const { return bytes_.get(); }
  std::size_t size() const { return size_; }

  /// Returns what of the last large page no piece has: when packing is over.
  static void trim();

 private:
  std::shared_ptr<std::byte> bytes_;
  std::size_t size_ = 0;
};

}  // namespace layerwise::cpu
