#include "weights/aligned_floats.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <limits>

#include "layerwise/error.h"

namespace layerwise {

void FreeFloats::operator()(float* values) const noexcept {
  std::free(values);
}

AlignedFloats allocateFloats(std::size_t count) {
  constexpr std::size_t kHugePage = 2u << 20;
  void* block = nullptr;
  if (count < std::numeric_limits<std::size_t>::max() / 8) {
    const std::size_t bytes = count * sizeof(float) + kTensorAlignment;
    const bool large = bytes >= 2 * kHugePage;
    const std::size_t alignment = large ? kHugePage : kTensorAlignment;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    block = std::aligned_alloc(alignment, rounded);
    // Only a hint, and its refusal changes nothing: a page fault for every 2 MB instead of 4 KB.
    if (block != nullptr && large) ::madvise(block, rounded, MADV_HUGEPAGE);
  }
  if (block == nullptr)
    throw Error(ErrorCode::kOutOfMemory, fmt::format("[weights] no memory for {} values", count));
  return AlignedFloats(static_cast<float*>(block));
}

}  // namespace layerwise
