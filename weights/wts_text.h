#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/aligned_floats.h"

namespace layerwise {

/// The tensors of a `.wts` text, all their values in one block.
struct WtsTensors {
  struct Tensor {
    std::string key;
    std::size_t offset = 0;  ///< into values, a multiple of kTensorAlignment bytes
    std::int64_t count = 0;
  };
  std::vector<Tensor> tensors;
  AlignedFloats values;
};

/// Parses the text of a `.wts` file on `threads` threads (0: all cores). `label` opens every
/// message. Throws Error kBadFile naming line and key.
WtsTensors parseWts(std::string_view text, const std::string& label, int threads);

/// Whether a text can begin a `.wts` file: throws the Error that parseWts would, judged by the
/// first line and the file's first bytes alone.
void checkWtsHead(std::string_view text, const std::string& label);

}  // namespace layerwise
