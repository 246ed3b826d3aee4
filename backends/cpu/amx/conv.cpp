#include "backends/cpu/simd/amx.h"
#include "backends/cpu/simd/avx512_amx.h"

#include "backends/cpu/kernels/amx_conv.h"
#include "backends/cpu/kernels/amx_peak.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;
const AmxKernel kAmxConvKernel = &amxConvTile<AmxTiles<Avx512Amx>>;

extern const Peak kAmxBFloat16Peak, kAmxBytesPeak;
const Peak kAmxBFloat16Peak = amxPeak<AmxTiles<Avx512Amx>, false>();
const Peak kAmxBytesPeak = amxPeak<AmxTiles<Avx512Amx>, true>();

}  // namespace layerwise::cpu
