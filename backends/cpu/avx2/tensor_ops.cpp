#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TensorKernels kTensorKernelsAvx2;
const TensorKernels kTensorKernelsAvx2 = tensorKernels<Avx2>();

}  // namespace layerwise::cpu
