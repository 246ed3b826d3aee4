#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBytesKernelsAvx2;
const TypedConvKernels kBytesKernelsAvx2 =
    saturatingConvKernels<Avx2SaturatingBytesDot, Avx2ShortsDot, Avx2WideBytesDot,
                          Avx2ExactBytesDot>("avx2", 1);

}  // namespace layerwise::cpu
