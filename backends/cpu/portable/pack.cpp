#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/pack.h"

namespace layerwise::cpu {

extern const PackKernels kPackKernelsPortable;
const PackKernels kPackKernelsPortable = packKernelsOf<Emulated<8>>();

}  // namespace layerwise::cpu
