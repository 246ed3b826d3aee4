#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TensorKernels kTensorKernelsAvx512;
const TensorKernels kTensorKernelsAvx512 = tensorKernels<Avx512>();

}  // namespace layerwise::cpu
