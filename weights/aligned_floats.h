#pragma once

#include <cstddef>
#include <memory>

namespace layerwise {

/// Releases what allocateFloats() gave.
struct FreeFloats {
  void operator()(float* values) const noexcept;
};
using AlignedFloats = std::unique_ptr<float[], FreeFloats>;

/// Tensors begin on a cache line, so that vector loads of packed weights never straddle one.
constexpr std::size_t kTensorAlignment = 64;

/// Room for `count` uninitialised values, aligned, plus 64 readable bytes behind them; large blocks
/// ask for huge pages. Throws Error kOutOfMemory.
AlignedFloats allocateFloats(std::size_t count);

}  // namespace layerwise
