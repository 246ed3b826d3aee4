#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace layerwise {

/// XXH3, 64 bits, as wide as the processor computes it.
std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace layerwise
