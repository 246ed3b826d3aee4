#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TypedTensorKernels kTypedTensorKernelsAvx512;
const TypedTensorKernels kTypedTensorKernelsAvx512 = typedTensorKernels<Avx512>();

}  // namespace layerwise::cpu
