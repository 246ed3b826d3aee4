#include <array>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

/// Checks that `order` is a permutation of the axes of `dims`, and applies it.
Dims transposed(const ShapeContext& c, const Dims& dims, const Dims& order,
                std::string_view attribute) {
  if (order.empty()) return dims;
  std::array<bool, Dims::kMaxRank> seen{};
  bool valid = order.rank() == dims.rank();
  for (int i = 0; valid && i < order.rank(); ++i) {
    valid = order[i] >= 0 && order[i] < dims.rank() && !seen[static_cast<std::size_t>(order[i])];
    if (valid) seen[static_cast<std::size_t>(order[i])] = true;
  }
  if (!valid)
    c.fail("{} {} is no permutation of the axes of {}", attribute, toString(order), toString(dims));
  Dims out;
  for (std::int64_t axis : order) out.append(dims[static_cast<int>(axis)]);
  return out;
}

Dims reshaped(const ShapeContext& c, const Dims& dims, const Dims& reshape) {
  Dims out;
  int open = -1;
  std::int64_t known = 1;
  for (int i = 0; i < reshape.rank(); ++i) {
    std::int64_t size = reshape[i];
    if (size == 0) {
      if (i >= dims.rank())
        c.fail("reshape {} copies axis {} of {}", toString(reshape), i, toString(dims));
      size = dims[i];
    } else if (size == -1) {
      if (open >= 0) c.fail("reshape {} holds -1 twice", toString(reshape));
      open = i;
      size = 1;
    } else if (size < 0 || size > kMaxSize) {
      c.fail("reshape {} is no shape", toString(reshape));
    }
    out.append(size);
  }
  known = out.volume();
  std::int64_t volume = dims.volume();
  if (open >= 0 && known > 0 && volume % known == 0) {
    out[open] = volume / known;
    return out;
  }
  if (open >= 0 || known != volume)
    c.fail("reshape {} does not hold the {} values of {}", toString(reshape), volume,
           toString(dims));
  return out;
}

std::vector<TensorInfo> infer(const Shuffle& a, const ShapeContext& c) {
  Dims dims = transposed(c, c.dims(), a.firstTranspose, "first_transpose");
  if (c.inputs.size() == 2)
    dims = reshaped(c, dims, c.shapeValues(1, "reshape"));
  else if (a.hasReshape)
    dims = reshaped(c, dims, a.reshape);
  return {{c.type(), transposed(c, dims, a.secondTranspose, "second_transpose")}};
}

std::vector<double> transpose(const std::vector<double>& values, const Dims& dims,
                              const Dims& order) {
  Dims strides = rowMajorStrides(dims), outDims, outStrides;
  for (std::int64_t axis : order) {
    outDims.append(dims[static_cast<int>(axis)]);
    outStrides.append(strides[static_cast<int>(axis)]);
  }
  std::vector<double> out;
  out.reserve(values.size());
  forEachIndex(outDims, [&](const Dims& index) {
    out.push_back(values[static_cast<std::size_t>(offsetOf(index, outStrides))]);
  });
  return out;
}

void reference(const Shuffle& a, const ReferenceContext& c) {
  std::vector<double> values = c.inputs[0].values;
  if (!a.firstTranspose.empty())
    values = transpose(values, c.inputs[0].info.dims, a.firstTranspose);
  if (!a.secondTranspose.empty()) {
    // The shape between the transposes is the output's with the second one undone.
    Dims between = c.outputs[0].info.dims;
    for (int i = 0; i < between.rank(); ++i)
      between[static_cast<int>(a.secondTranspose[i])] = c.outputs[0].info.dims[i];
    values = transpose(values, between, a.secondTranspose);
  }
  c.outputs[0].values = std::move(values);
}

/// Whether a transpose leaves the elements where they are: it moves axes of size 1 at most.
bool keepsOrder(const Dims& order, const Dims& dims) {
  std::int64_t last = -1;
  for (std::int64_t axis : order) {
    if (dims[static_cast<int>(axis)] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

bool reshapes(const Shuffle& a, const TensorInfo& input) {
  return keepsOrder(a.firstTranspose, input.dims) && a.secondTranspose.empty();
}

/// Between the transposes a reshape that keeps the first axis' size keeps what belongs to each of
/// its indices together.
bool imageByImage(const Shuffle& a, std::span<const TensorInfo>) {
  auto staysFirst = [](const Dims& order) { return order.empty() || order[0] == 0; };
  return staysFirst(a.firstTranspose) && staysFirst(a.secondTranspose);
}

}  // namespace

void registerLayer_shuffle(LayerRegistry& registry) {
  registry.add<Shuffle>({.maxInputs = 2,
                         .infer = infer,
                         .reference = reference,
                         .traits = [](const Shuffle&) { return Traits{.view = true}; },
                         .reshapes = reshapes,
                         .imageByImage = imageByImage});
}

}  // namespace layerwise
