#include "backends/shared/gather_plan.h"

namespace layerwise {

GatherPlan planGather(const Gather& a, const BufferView& data, const BufferView& indices,
                      const BufferView& out) {
  GatherPlan plan;
  int rank = data.dims.rank(), indexRank = indices.dims.rank();
  int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  switch (a.mode) {
    case GatherMode::kDefault:
      for (int i = 0; i < indexRank; ++i)
        plan.places.push_back({indices.dims[i], {out.strides[axis + i], indices.strides[i], 0}});
      plan.tuple = {{0, data.dims[axis], data.strides[axis]}};
      for (int i = 0; i < rank; ++i)
        if (i != axis)
          plan.slice.push_back(
              {data.dims[i], {out.strides[i < axis ? i : i + indexRank - 1], data.strides[i]}});
      break;
    case GatherMode::kElements:
      for (int i = 0; i < rank; ++i)
        plan.places.push_back(
            {indices.dims[i],
             {out.strides[i], indices.strides[i], i == axis ? 0 : data.strides[i]}});
      plan.tuple = {{0, data.dims[axis], data.strides[axis]}};
      break;
    case GatherMode::kNd: {
      auto batch = static_cast<int>(a.batchAxes);
      auto depth = static_cast<int>(indices.dims[indexRank - 1]);
      for (int i = 0; i < indexRank - 1; ++i)
        plan.places.push_back(
            {indices.dims[i],
             {out.strides[i], indices.strides[i], i < batch ? data.strides[i] : 0}});
      for (int i = 0; i < depth; ++i)
        plan.tuple.push_back(
            {i * indices.strides[indexRank - 1], data.dims[batch + i], data.strides[batch + i]});
      for (int i = batch + depth; i < rank; ++i)
        plan.slice.push_back(
            {data.dims[i], {out.strides[indexRank - 1 + i - batch - depth], data.strides[i]}});
      break;
    }
  }
  return plan;
}

}  // namespace layerwise
