#include "backends/cpu/simd/avx512.h"

#include "backends/cpu/kernels/conv.h"

namespace layerwise::cpu {

extern const ConvKernels kConvKernelsAvx512;
const ConvKernels kConvKernelsAvx512 = convKernels<Avx512>();

}  // namespace layerwise::cpu
