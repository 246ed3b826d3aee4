#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/tensor_ops.h"

namespace layerwise::cpu {

extern const TypedTensorKernels kTypedTensorKernelsPortable;
const TypedTensorKernels kTypedTensorKernelsPortable = typedTensorKernels<Emulated<8>>();

}  // namespace layerwise::cpu
