#include "backends/cpu/weight_only.h"

namespace layerwise::cpu {

extern const WeightOnlyKernels kWeightOnlyKernelsPortable, kWeightOnlyKernelsAvx2,
    kWeightOnlyKernelsAvx512;

const WeightOnlyKernels& weightOnlyKernels(Isa isa) {
  if (isa == Isa::kAvx512) return kWeightOnlyKernelsAvx512;
  return isa == Isa::kAvx2 ? kWeightOnlyKernelsAvx2 : kWeightOnlyKernelsPortable;
}

}  // namespace layerwise::cpu
