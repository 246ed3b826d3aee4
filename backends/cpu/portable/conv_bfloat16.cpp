#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/typed_conv.h"

namespace layerwise::cpu {

extern const TypedConvKernels kBFloat16KernelsPortable;
const TypedConvKernels kBFloat16KernelsPortable =
    typedConvKernels<WidenedBFloat16Dot<Emulated<8>>>("portable", 3);

}  // namespace layerwise::cpu
