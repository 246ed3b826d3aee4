#include <algorithm>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Concatenation& a, const ShapeContext& c) {
  Dims out = c.dims();
  int axis = c.axis(a.axis, out.rank());
  for (int i = 1; i < static_cast<int>(c.inputs.size()); ++i) {
    c.expectSameType(0, i);
    const Dims& in = c.dims(i);
    bool fits = in.rank() == out.rank();
    for (int j = 0; fits && j < out.rank(); ++j) fits = j == axis || in[j] == out[j];
    if (!fits)
      c.fail("input {} is {} and input 0 is {}: they may differ on axis {} alone", i, toString(in),
             toString(c.dims()), axis);
    out[axis] += in[axis];
  }
  return {{c.type(), out}};
}

void reference(const Concatenation& a, const ReferenceContext& c) {
  const Dims& out = c.outputs[0].info.dims;
  int axis = static_cast<int>(a.axis < 0 ? a.axis + out.rank() : a.axis);
  double* y = c.outputs[0].values.data();
  std::int64_t outer = AxisSplit(out, axis).outer;
  for (std::int64_t i = 0; i < outer; ++i)
    for (const ReferenceTensor& input : c.inputs) {
      AxisSplit split(input.info.dims, axis);
      std::int64_t run = split.size * split.inner;
      y = std::copy_n(input.values.data() + i * run, run, y);
    }
}

std::vector<BoxView> boxes(const Concatenation& a, std::span<const TensorInfo> inputs,
                           std::span<const TensorInfo> outputs) {
  int rank = outputs[0].dims.rank();
  int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  std::vector<BoxView> views;
  Dims offset = Dims::filled(rank, 0);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    views.push_back(
        {.outputInsideInput = false, .input = static_cast<int>(i), .output = 0, .offset = offset});
    offset[axis] += inputs[i].dims[axis];
  }
  return views;
}

bool imageByImage(const Concatenation& a, std::span<const TensorInfo> inputs) {
  return !isFirstAxis(a.axis, inputs[0]);
}

}  // namespace

void registerLayer_concatenation(LayerRegistry& registry) {
  registry.add<Concatenation>({.maxInputs = kAnyInputs,
                               .infer = infer,
                               .reference = reference,
                               .boxes = boxes,
                               .imageByImage = imageByImage});
}

}  // namespace layerwise
