#include "backends/cpu/simd/avx512_bf16.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBFloat16KernelsAvx512Bf16;
const TypedConvKernels kBFloat16KernelsAvx512Bf16 =
    typedConvKernels<Avx512BFloat16Dot>("avx512_bf16");

}  // namespace layerwise::cpu
