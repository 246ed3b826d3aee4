#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/conv.h"

namespace layerwise::cpu {

extern const ConvKernels kConvKernelsPortable;
const ConvKernels kConvKernelsPortable = convKernels<Emulated<8>>();

}  // namespace layerwise::cpu
