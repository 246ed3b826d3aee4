#include "backends/cpu/simd/amx.h"
#include "backends/cpu/simd/avx512_amx.h"

#include "backends/cpu/kernels/amx_conv.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;
const AmxKernel kAmxConvKernel = &amxConvTile<AmxTiles<Avx512Amx>>;

}  // namespace layerwise::cpu
