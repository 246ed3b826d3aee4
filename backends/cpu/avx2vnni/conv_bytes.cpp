#include "backends/cpu/simd/avx2_vnni.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBytesKernelsAvx2Vnni;
const TypedConvKernels kBytesKernelsAvx2Vnni =
    byteConvKernels<Avx2VnniDot, Avx2VnniShortsDot>("avx2_vnni");

}  // namespace layerwise::cpu
