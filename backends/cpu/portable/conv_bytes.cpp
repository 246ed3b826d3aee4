#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBytesKernelsPortable;
const TypedConvKernels kBytesKernelsPortable = typedConvKernels<EmulatedBytesDot<8>>("portable");

}  // namespace layerwise::cpu
