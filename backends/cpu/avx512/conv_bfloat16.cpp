#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBFloat16KernelsAvx512;
const TypedConvKernels kBFloat16KernelsAvx512 =
    typedConvKernels<WidenedBFloat16Dot<Avx512>>("avx512", 3);

}  // namespace layerwise::cpu
