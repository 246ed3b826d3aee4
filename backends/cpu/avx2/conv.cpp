#include "backends/cpu/simd/avx2.h"

#include "backends/cpu/kernels/conv.h"

namespace layerwise::cpu {

extern const ConvKernels kConvKernelsAvx2;
const ConvKernels kConvKernelsAvx2 = convKernels<Avx2>();

}  // namespace layerwise::cpu
