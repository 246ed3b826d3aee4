#include "backends/cpu/pack_kernels.h"

namespace layerwise::cpu {

extern const PackKernels kPackKernelsPortable, kPackKernelsAvx2, kPackKernelsAvx512;

const PackKernels& packKernels(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return kPackKernelsAvx512;
    case Isa::kAvx2:
      return kPackKernelsAvx2;
    case Isa::kPortable:
      break;
  }
  return kPackKernelsPortable;
}

int startOfSum(const PackKernels& kernels, const int8_t* weights, int64_t count, int inputZero) {
  if (inputZero == 0) return 0;
  return -inputZero * kernels.sum(weights, count);
}

}  // namespace layerwise::cpu
