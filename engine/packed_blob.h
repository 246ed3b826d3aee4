#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace layerwise {

/// Named bytes that a plan's tuned section keeps because they save time at load. Only the backend
/// that made them knows what they are.
struct PackedBlob {
  std::string name;
  std::shared_ptr<const std::byte> bytes;  ///< out of a plan file: aligned to 64
  std::size_t size = 0;
};

}  // namespace layerwise
