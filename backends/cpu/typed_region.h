#pragma once

#include <optional>
#include <vector>

#include "backends/cpu/conv.h"
#include "backends/cpu/epilogue.h"
#include "backends/shared/folded_quantization.h"
#include "engine/tactic.h"

// What tactics for convolutions of bfloat16 and of bytes share.
namespace layerwise::cpu {

/// A convolution with what follows it, and the types of its tensors in memory.
struct TypedRegion {
  std::vector<NodeId> nodes;
  std::vector<ValueId> inputs;  ///< the residual last, where there is one
  ValueId output = kNone;
  DataType inputType{}, residualType{}, outputType{};
  const Pooling* pooling = nullptr;  ///< the last node, of withPooling()
};

/// The regions that begin at a convolution which may be computed in bfloat16; none where it may
/// not, or where rounding would cost too much (an image's before a depthwise one). Where float32 is
/// read, each with results of that type, too: they need no reformat then.
std::vector<TypedRegion> bfloat16Regions(const MatchContext& context, NodeId id);
/// The region of a quantised convolution that the kernels' epilogues can do.
std::vector<TypedRegion> bytesRegions(const MatchContext& context, NodeId id);

/// The region with the maximum pooling, in its type, that alone reads its output; nothing where
/// there is none that kernels take.
std::optional<TypedRegion> withPooling(const MatchContext& context, const TypedRegion& region);
/// Takes the pooling off such a region's nodes and returns it; null where the last node is none.
const Pooling* takePooling(const Graph& graph, std::vector<NodeId>& nodes);

/// A candidate for the region with all but its layouts, parameters and seconds.
Candidate candidateOf(const MatchContext& context, const ConvShape& shape,
                      const TypedRegion& region, const Tactic& tactic);

Epilogue epilogueOf(const QuantizedConvolution& a);
/// All but the types of the residual and of the output; `terms` is how many each sum has.
Conversion conversionOf(const FoldedQuantization& folded, std::int64_t terms);

Element elementOf(DataType type);
/// The view of a convolution's tensor. One of one pixel an image has its channels side by side in
/// any layout.
View pixelViewOf(const BufferView& view);
bool isOnePixel(const Dims& dims);
/// Gives the conversion the types of the output and of the residual that the epilogue adds; returns
/// the residual's view.
View bindTypes(const BindContext& context, const Epilogue& epilogue, Conversion& conversion);

}  // namespace layerwise::cpu
