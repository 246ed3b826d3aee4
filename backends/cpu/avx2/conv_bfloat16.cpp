#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBFloat16KernelsAvx2;
const TypedConvKernels kBFloat16KernelsAvx2 = typedConvKernels<WidenedBFloat16Dot<Avx2>>("avx2", 3);

}  // namespace layerwise::cpu
