#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/pack_weight_only.h"
#include "backends/cpu/kernels/weight_only.h"

namespace layerwise::cpu {

extern const WeightOnlyKernels kWeightOnlyKernelsAvx512;
const WeightOnlyKernels kWeightOnlyKernelsAvx512{
    &WeightOnlyPacking<Avx512>::fits, &WeightOnlyPacking<Avx512>::pack, &weightOnlyPanel<Avx512>};

}  // namespace layerwise::cpu
