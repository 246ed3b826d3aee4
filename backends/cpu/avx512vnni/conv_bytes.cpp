#include "backends/cpu/simd/avx512_vnni.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBytesKernelsAvx512Vnni;
const TypedConvKernels kBytesKernelsAvx512Vnni =
    byteConvKernels<Avx512VnniDot, Avx512VnniShortsDot>("avx512_vnni");

}  // namespace layerwise::cpu
