#include "layers/index_space.h"
#include "layers/integer_arithmetic.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Gather& a, const ShapeContext& c) {
  if (c.type(1) != DataType::kInt32 && c.type(1) != DataType::kInt64)
    c.fail("indices (input 1) are {}, int32 or int64 is needed", toString(c.type(1)));
  const Dims &data = c.dims(0), &indices = c.dims(1);
  Dims out;
  if (a.mode != GatherMode::kNd && a.batchAxes != 0)
    c.fail("batch_axes {} belongs to mode nd", a.batchAxes);
  switch (a.mode) {
    case GatherMode::kDefault: {
      int axis = c.axis(a.axis, data.rank());
      for (int i = 0; i < axis; ++i) out.append(data[i]);
      for (std::int64_t size : indices) out.append(size);
      for (int i = axis + 1; i < data.rank(); ++i) out.append(data[i]);
      break;
    }
    case GatherMode::kElements: {
      int axis = c.axis(a.axis, data.rank());
      bool fits = indices.rank() == data.rank();
      for (int i = 0; fits && i < data.rank(); ++i) fits = i == axis || indices[i] == data[i];
      if (!fits)
        c.fail("indices {} and data {} may differ on axis {} alone", toString(indices),
               toString(data), axis);
      out = indices;
      break;
    }
    case GatherMode::kNd: {
      c.expectRank(1, 1, Dims::kMaxRank);
      int last = indices.rank() - 1;
      if (a.batchAxes < 0 || a.batchAxes > last || a.batchAxes > data.rank())
        c.fail("batch_axes {} does not fit data {} and indices {}", a.batchAxes, toString(data),
               toString(indices));
      for (int i = 0; i < a.batchAxes; ++i)
        if (data[i] != indices[i])
          c.fail("data {} and indices {} differ on batch axis {}", toString(data),
                 toString(indices), i);
      if (indices[last] < 1 || indices[last] > data.rank() - a.batchAxes)
        c.fail("indices {} address {} axes of data {} with {} batch axes", toString(indices),
               indices[last], toString(data), a.batchAxes);
      for (int i = 0; i < last; ++i) out.append(indices[i]);
      for (auto i = static_cast<int>(a.batchAxes + indices[last]); i < data.rank(); ++i)
        out.append(data[i]);
      break;
    }
  }
  return {{c.type(), out}};
}

std::int64_t checkedIndex(double value, std::int64_t size) {
  std::int64_t index = integer::fromDouble(value);
  if (index < -size || index >= size)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[gather] index {} is outside {}...{}", index, -size, size - 1));
  return index < 0 ? index + size : index;
}

void reference(const Gather& a, const ReferenceContext& c) {
  const ReferenceTensor &data = c.inputs[0], &indices = c.inputs[1];
  const Dims& dims = data.info.dims;
  Dims strides = rowMajorStrides(dims), indexStrides = rowMajorStrides(indices.info.dims);
  int rank = indices.info.dims.rank();
  int axis = static_cast<int>(a.axis < 0 ? a.axis + dims.rank() : a.axis);
  double* y = c.outputs[0].values.data();
  forEachIndex(c.outputs[0].info.dims, [&](const Dims& at) {
    Dims source = Dims::filled(dims.rank(), 0);
    if (a.mode == GatherMode::kDefault) {
      std::int64_t place = 0;
      for (int i = 0; i < rank; ++i) place += at[axis + i] * indexStrides[i];
      for (int i = 0; i < dims.rank(); ++i)
        if (i != axis) source[i] = at[i < axis ? i : i + rank - 1];
      source[axis] = checkedIndex(indices.values[static_cast<std::size_t>(place)], dims[axis]);
    } else if (a.mode == GatherMode::kElements) {
      source = at;
      source[axis] = checkedIndex(
          indices.values[static_cast<std::size_t>(offsetOf(at, indexStrides))], dims[axis]);
    } else {
      auto batch = static_cast<int>(a.batchAxes);
      auto tuple = static_cast<int>(indices.info.dims[rank - 1]);
      std::int64_t place = 0;
      for (int i = 0; i < rank - 1; ++i) place += at[i] * indexStrides[i];
      for (int i = 0; i < batch; ++i) source[i] = at[i];
      for (int i = 0; i < tuple; ++i)
        source[batch + i] =
            checkedIndex(indices.values[static_cast<std::size_t>(place + i)], dims[batch + i]);
      for (int i = batch + tuple; i < dims.rank(); ++i)
        source[i] = at[rank - 1 + i - batch - tuple];
    }
    *y++ = data.values[static_cast<std::size_t>(offsetOf(source, strides))];
  });
}

}  // namespace

void registerLayer_gather(LayerRegistry& registry) {
  registry.add<Gather>({.minInputs = 2, .maxInputs = 2, .infer = infer, .reference = reference});
}

}  // namespace layerwise
