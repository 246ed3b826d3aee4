#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/pack.h"

namespace layerwise::cpu {

extern const PackKernels kPackKernelsAvx2;
const PackKernels kPackKernelsAvx2 = packKernelsOf<Avx2>();

}  // namespace layerwise::cpu
