#pragma once

#include <algorithm>

#include "tests/layer_cases/parts.h"

/// Cases of layers that move elements, or say something of shapes, and compute nothing.
namespace layerwise::test {

inline LayerCase concatenationCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  int axis = static_cast<int>(dims.rank() == 1 ? 0 : r.pick(1, dims.rank() - 1));
  LayerCase made;
  DataType type = anyType(r);
  for (std::int64_t i = r.pick(1, 4); i > 0; --i) {
    dims[axis] = r.pick(r.chance(0.1) ? 0 : 1, 20);
    made.inputs.push_back({.dims = dims, .type = type, .low = 0, .high = 100});
  }
  made.batched = axis != 0;
  made.define = defineOne(Concatenation{r.chance(0.3) ? axis - dims.rank() : axis});
  return made;
}

inline LayerCase sliceCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  Slice a{{0}, {-1}, {1}};
  for (int i = 1; i < dims.rank(); ++i) {
    std::int64_t step = r.chance(0.6) ? 1 : r.pick(-3, 2);
    if (step == 0) step = -1;
    std::int64_t start = r.pick(0, dims[i] - 1);
    std::int64_t left = step > 0 ? (dims[i] - start + step - 1) / step : start / -step + 1;
    a.start.append(r.chance(0.2) ? start - dims[i] : start);
    a.size.append(r.chance(0.3) ? -1 : r.pick(0, left));
    a.step.append(step);
  }
  bool asTensors = r.chance(0.2);
  auto list = [](const Dims& d) { return std::vector<std::int64_t>(d.begin(), d.end()); };
  LayerCase made{{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, {}};
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    std::vector<Tensor*> inputs = in;
    for (const Dims& d : {a.start, a.size, a.step})
      if (asTensors) inputs.push_back(&n.addConstant({d.rank()}, n.keep(list(d))).output());
    return std::vector<Tensor*>{&n.add(asTensors ? Slice{} : a, inputs).output()};
  };
  return made;
}

inline LayerCase paddingCase(Random& r, int index) {
  Padding a{.fill = nth<PaddingFill>(index), .value = static_cast<double>(r.pick(0, 5))};
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  auto axes = static_cast<int>(r.pick(0, dims.rank() - 1));
  for (int i = 0; i < axes; ++i) {
    std::int64_t size = dims[dims.rank() - axes + i];
    auto amount = [&] {
      if (a.fill == PaddingFill::kReflect) return r.pick(0, std::min<std::int64_t>(3, size - 1));
      return a.fill == PaddingFill::kConstant && r.chance(0.2) ? -r.pick(0, size / 2)
                                                               : r.pick(0, 3);
    };
    a.pre.append(amount());
    a.post.append(amount());
  }
  return {{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, defineOne(a)};
}

inline Dims permutation(Random& r, int rank) {
  Dims order;
  for (int i = 0; i < rank; ++i) order.append(i);
  for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[static_cast<int>(r.pick(0, i))]);
  return order;
}

/// Another shape of the same volume: factors are moved between neighbouring axes.
inline Dims sameVolume(Random& r, Dims dims) {
  for (int i = 0; i + 1 < dims.rank(); ++i)
    for (std::int64_t factor : {2, 3, 5})
      if (r.chance(0.5) && dims[i] % factor == 0) dims[i] /= factor, dims[i + 1] *= factor;
  if (r.chance(0.4)) dims.append(1);
  if (r.chance(0.4) && dims.rank() > 1) {
    Dims merged{dims[0] * dims[1]};
    for (int i = 2; i < dims.rank(); ++i) merged.append(dims[i]);
    dims = merged;
  }
  return dims;
}

inline LayerCase shuffleCase(Random& r, int) {
  Dims dims = anyDims(r), middle = dims;
  Shuffle a;
  if (r.chance(0.5)) {
    a.firstTranspose = permutation(r, dims.rank());
    for (int i = 0; i < dims.rank(); ++i) middle[i] = dims[static_cast<int>(a.firstTranspose[i])];
  }
  bool asTensor = false;
  if (r.chance(0.7)) {
    middle = sameVolume(r, middle);
    a.setReshape(middle);
    if (middle.volume() > 0 && r.chance(0.3)) a.reshape[middle.rank() - 1] = -1;
    asTensor = r.chance(0.2);
  }
  if (r.chance(0.5)) a.secondTranspose = permutation(r, middle.rank());
  LayerCase made{{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, {}};
  made.batched = false;
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    std::vector<Tensor*> inputs = in;
    Shuffle shuffle = a;
    if (asTensor) {
      std::vector<std::int64_t> list(a.reshape.begin(), a.reshape.end());
      inputs.push_back(&n.addConstant({a.reshape.rank()}, n.keep(list)).output());
      shuffle.hasReshape = false;
      shuffle.reshape = {};
    }
    return std::vector<Tensor*>{&n.add(shuffle, inputs).output()};
  };
  return made;
}

inline LayerCase identityCase(Random& r, int) {
  return {{{.dims = r.chance(0.6) ? imageDims(r) : anyDims(r),
            .type = anyType(r),
            .low = 0,
            .high = 100}},
          defineOne(Identity{})};
}

inline LayerCase pixelShuffleCase(Random& r, int index) {
  std::int64_t f = r.pick(1, 4), c = r.pick(1, 5), h = r.pick(1, 6), w = r.pick(1, 6);
  PixelShuffle a{f, index % 2 == 1};
  Dims dims = a.inverse ? Dims{kBatch, c, h * f, w * f} : Dims{kBatch, c * f * f, h, w};
  return {{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, defineOne(a)};
}

inline LayerCase constantCase(Random& r, int) {
  Dims dims = anyDims(r);
  bool integers = r.chance(0.3);
  std::vector<float> floats = r.floats(dims.volume());
  std::vector<std::int64_t> numbers;
  for (float value : floats) numbers.push_back(static_cast<std::int64_t>(value * 100));
  LayerCase made;
  made.batched = false;
  made.define = [=](Network& n, const std::vector<Tensor*>&) {
    return std::vector<Tensor*>{
        &n.addConstant(dims, integers ? n.keep(numbers) : n.keep(floats)).output()};
  };
  return made;
}

inline LayerCase shapeCase(Random& r, int) {
  LayerCase made{{{.dims = anyDims(r)}}, defineOne(Shape{})};
  made.batched = false;
  return made;
}

inline LayerCase gatherCase(Random& r, int index) {
  Gather a{nth<GatherMode>(index)};
  Dims data = anyDims(r), indices;
  std::int64_t bound = 1;
  if (a.mode == GatherMode::kNd) {
    a.batchAxes = r.pick(0, data.rank() - 1);
    for (int i = 0; i < a.batchAxes; ++i) indices.append(data[i]);
    indices.append(r.pick(1, 5));
    std::int64_t depth = r.pick(1, data.rank() - a.batchAxes);
    indices.append(depth);
    bound = data[static_cast<int>(a.batchAxes)];
    for (auto i = static_cast<int>(a.batchAxes); i < a.batchAxes + depth; ++i)
      bound = std::min(bound, data[i]);
  } else {
    auto axis = static_cast<int>(r.pick(0, data.rank() - 1));
    a.axis = r.chance(0.3) ? axis - data.rank() : axis;
    bound = data[axis];
    indices = a.mode == GatherMode::kElements ? data : r.dims(static_cast<int>(r.pick(0, 3)), 1, 4);
    if (a.mode == GatherMode::kElements) indices[axis] = r.pick(1, 9);
  }
  CaseInput where{.dims = indices, .type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64};
  for (std::int64_t i = 0; i < indices.volume(); ++i)
    where.values.push_back(static_cast<double>(r.pick(-bound, bound - 1)));
  LayerCase made{{{.dims = data, .type = anyType(r), .low = 0, .high = 100}, where}, defineOne(a)};
  made.batched = false;
  return made;
}

}  // namespace layerwise::test
