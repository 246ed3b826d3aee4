#pragma once

#include <vector>

#include "backends/shared/loops.h"
#include "engine/tactic.h"

namespace layerwise {

/// A reduction: outputs lie along `kept` (operands: output, input), what is folded into one of them
/// along `terms` (operand: input).
struct ReductionLoops {
  std::vector<Loop<2>> kept;
  std::vector<Loop<1>> terms;
};

ReductionLoops reductionLoops(const Reduce& a, const BufferView& in, const BufferView& out);

/// Sets of elements that share mean and variance lie along `sets`; what is in a set along
/// `elements`. Operands: output, input, scale, bias.
struct NormalizationLoops {
  std::vector<Loop<4>> sets, elements;
};

NormalizationLoops normalizationLoops(const Normalization& a, const BindContext& c);

}  // namespace layerwise
