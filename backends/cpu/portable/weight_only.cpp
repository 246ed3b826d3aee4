#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/pack_weight_only.h"
#include "backends/cpu/kernels/weight_only.h"

namespace layerwise::cpu {

extern const WeightOnlyKernels kWeightOnlyKernelsPortable;
const WeightOnlyKernels kWeightOnlyKernelsPortable{&WeightOnlyPacking<Emulated<8>>::fits,
                                                   &WeightOnlyPacking<Emulated<8>>::pack,
                                                   &weightOnlyPanel<Emulated<8>>};

}  // namespace layerwise::cpu
