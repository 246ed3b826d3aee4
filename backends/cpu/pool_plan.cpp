#include "backends/cpu/pool_plan.h"

#include "backends/cpu/tensor_view.h"
#include "layers/spatial.h"

namespace layerwise::cpu {

bool canPool(const Pooling& a, const Dims& in) {
  if (in.rank() < 3 || in.rank() > 4) return false;
  // A window that may hold no pixel at all has a value that only the reference defines; and a
  // last window that ceil adds counts padding in a way of its own.
  const SpatialWindow w = resolveWindow(a, in);
  for (int i = 0; i < w.axes; ++i)
    if (w.prePadding[i] >= w.kernel[i] || w.postPadding[i] >= w.kernel[i]) return false;
  return a.paddingMode == PaddingMode::kExplicitRoundDown || a.type == PoolingType::kMax;
}

PoolPlan poolPlanOf(const Pooling& a, const Dims& dims) {
  const SpatialWindow w = resolveWindow(a, dims);
  const ImageSize in(dims);
  const int x = w.axes - 1;
  PoolPlan plan;
  plan.kind = a.type == PoolingType::kMax ? PoolKind::kMax
              : a.averageCountsPadding    ? PoolKind::kAverageWithZeros
                                          : PoolKind::kAverage;
  plan.n = in.n, plan.h = in.h, plan.w = in.w, plan.c = in.c;
  plan.outW = w.output[x], plan.kw = w.kernel[x], plan.sw = w.stride[x];
  plan.pl = w.prePadding[x], plan.pr = w.postPadding[x];
  if (w.axes == 2) {
    plan.outH = w.output[0], plan.kh = w.kernel[0], plan.sh = w.stride[0];
    plan.pt = w.prePadding[0], plan.pb = w.postPadding[0];
  }
  return plan;
}

}  // namespace layerwise::cpu
