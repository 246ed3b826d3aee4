#include "layers/slice_window.h"

#include <algorithm>

#include "layers/index_space.h"

namespace layerwise {

SliceWindow resolveSlice(const Slice& a, const ShapeContext& c) {
  const Dims& in = c.dims();
  auto given = [&](int input, const Dims& attribute, std::string_view role) {
    return static_cast<int>(c.inputs.size()) > input ? c.shapeValues(input, role) : attribute;
  };
  SliceWindow w{given(1, a.start, "start"), given(2, a.size, "size"), given(3, a.step, "step")};
  if (w.step.empty()) w.step = Dims::filled(in.rank(), 1);
  if (w.start.rank() != in.rank() || w.size.rank() != in.rank() || w.step.rank() != in.rank())
    c.fail("start {}, size {} and step {} need a number for each axis of {}", toString(w.start),
           toString(w.size), toString(w.step), toString(in));
  for (int i = 0; i < in.rank(); ++i) {
    std::int64_t step = w.step[i];
    if (step == 0 || step < -kMaxSize || step > kMaxSize)
      c.fail("step {} on axis {} is 0 or too large", step, i);
    std::int64_t start = w.start[i] < 0 && w.start[i] >= -in[i] ? w.start[i] + in[i] : w.start[i];
    if (start < 0 || start > in[i])
      c.fail("start {} on axis {} is outside input {}", w.start[i], i, toString(in));
    std::int64_t left = step > 0        ? (in[i] - start + step - 1) / step
                        : start < in[i] ? start / -step + 1
                                        : 0;
    if (w.size[i] == -1) w.size[i] = left;
    if (w.size[i] < 0 || w.size[i] > left)
      c.fail("size {} on axis {} is not 0...{} (input {}, start {}, step {})", w.size[i], i, left,
             toString(in), start, step);
    w.start[i] = start;
  }
  return w;
}

namespace {

std::vector<TensorInfo> infer(const Slice& a, const ShapeContext& c) {
  return {{c.type(), resolveSlice(a, c).size}};
}

void reference(const Slice& a, const ReferenceContext& c) {
  const ReferenceTensor& in = c.inputs[0];
  auto given = [&](std::size_t input, const Dims& attribute) {
    if (c.inputs.size() <= input) return attribute;
    Dims dims;
    for (double value : c.inputs[input].values) dims.append(static_cast<std::int64_t>(value));
    return dims;
  };
  Dims start = given(1, a.start), step = given(3, a.step);
  Dims strides = rowMajorStrides(in.info.dims);
  double* y = c.outputs[0].values.data();
  forEachIndex(c.outputs[0].info.dims, [&](const Dims& index) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < index.rank(); ++axis) {
      std::int64_t first = start[axis] < 0 ? start[axis] + in.info.dims[axis] : start[axis];
      offset += (first + index[axis] * (step.empty() ? 1 : step[axis])) * strides[axis];
    }
    *y++ = in.values[static_cast<std::size_t>(offset)];
  });
}

/// A slice without gaps at a place known beforehand is a box of its input.
std::vector<BoxView> boxes(const Slice& a, std::span<const TensorInfo> inputs,
                           std::span<const TensorInfo>) {
  bool dense =
      std::all_of(a.step.begin(), a.step.end(), [](std::int64_t step) { return step == 1; });
  if (inputs.size() > 1 || !dense) return {};
  Dims offset = a.start;
  for (int axis = 0; axis < offset.rank(); ++axis)
    if (offset[axis] < 0) offset[axis] += inputs[0].dims[axis];
  return {{.outputInsideInput = true, .input = 0, .output = 0, .offset = offset}};
}

bool imageByImage(const Slice& a, std::span<const TensorInfo> inputs) {
  return inputs.size() == 1 && a.start[0] == 0 && (a.step.empty() || a.step[0] == 1);
}

}  // namespace

void registerLayer_slice(LayerRegistry& registry) {
  registry.add<Slice>({.maxInputs = 4,
                       .infer = infer,
                       .reference = reference,
                       .boxes = boxes,
                       .imageByImage = imageByImage});
}

}  // namespace layerwise
