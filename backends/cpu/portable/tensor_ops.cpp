#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TensorKernels kTensorKernelsPortable;
const TensorKernels kTensorKernelsPortable = tensorKernels<Emulated<8>>();

}  // namespace layerwise::cpu
