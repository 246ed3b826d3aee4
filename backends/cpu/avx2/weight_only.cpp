#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/pack_weight_only.h"
#include "backends/cpu/kernels/weight_only.h"

namespace layerwise::cpu {

extern const WeightOnlyKernels kWeightOnlyKernelsAvx2;
const WeightOnlyKernels kWeightOnlyKernelsAvx2{
    &WeightOnlyPacking<Avx2>::fits, &WeightOnlyPacking<Avx2>::pack, &weightOnlyPanel<Avx2>};

}  // namespace layerwise::cpu
