#pragma once

#include <memory>
#include <vector>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/step.h"

namespace layerwise::cpu {

/// A part of a tensor that is written with elements from elsewhere.
struct CopyPiece {
  BufferView to;                              ///< its dims are the piece's
  BufferView from;                            ///< strides may be negative or 0
  std::shared_ptr<const std::byte> constant;  ///< where set, read instead of from.buffer
};

/// Writes the pieces, of elements of one size. A piece that lies where it should costs nothing.
std::unique_ptr<Step> bindCopies(const std::vector<CopyPiece>& pieces);

/// One piece whose loops are given: operand 0 is written, operand 1 read.
std::unique_ptr<Step> bindCopy(const BufferView& to, const BufferView& from,
                               std::vector<LoopNest<2>::Loop> loops);

}  // namespace layerwise::cpu
