#pragma once

#include <optional>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/step.h"
#include "backends/shared/loops.h"

namespace layerwise::opencl {

/// A part of a tensor that is written with elements from elsewhere.
struct CopyPiece {
  BufferView to;                            ///< its dims are the piece's
  BufferView from;                          ///< strides may be negative or 0
  std::optional<cl::Buffer> constant = {};  ///< where set, read instead of from.buffer
};

/// Writes the pieces, of elements of one size. A piece that lies where it should costs nothing.
std::unique_ptr<Step> bindCopies(const Device& device, const std::vector<CopyPiece>& pieces);

/// One piece whose loops are given: operand 0 is written, operand 1 read.
std::unique_ptr<Step> bindCopy(const Device& device, const BufferView& to, const BufferView& from,
                               std::vector<Loop<2>> loops);

}  // namespace layerwise::opencl
