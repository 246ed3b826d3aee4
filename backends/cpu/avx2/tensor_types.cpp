#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TypedTensorKernels kTypedTensorKernelsAvx2;
const TypedTensorKernels kTypedTensorKernelsAvx2 = typedTensorKernels<Avx2>();

}  // namespace layerwise::cpu
