#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/pack.h"

namespace layerwise::cpu {

extern const PackKernels kPackKernelsAvx512;
const PackKernels kPackKernelsAvx512 = packKernelsOf<Avx512>();

}  // namespace layerwise::cpu
