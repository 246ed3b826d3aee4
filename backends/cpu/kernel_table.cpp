#include "backends/cpu/kernel_table.h"

namespace layerwise::cpu {

extern const ConvKernels kConvKernelsPortable, kConvKernelsAvx2, kConvKernelsAvx512;
extern const TensorKernels kTensorKernelsPortable, kTensorKernelsAvx2, kTensorKernelsAvx512;

ConvKernel KernelTable::convolution(ConvMethod method) const {
  switch (method) {
    case ConvMethod::kGrouped:
      return conv->grouped;
    case ConvMethod::kDepthwise:
      return conv->depthwise;
    case ConvMethod::kWinograd2:
      return conv->winograd2;
    case ConvMethod::kWinograd4:
      return conv->winograd4;
    case ConvMethod::kDirect:
      break;
  }
  return conv->direct;
}

const KernelTable& kernels(Isa isa) {
  static const KernelTable portable{Isa::kPortable, 8, 16, &kConvKernelsPortable,
                                    &kTensorKernelsPortable};
  static const KernelTable avx2{Isa::kAvx2, 8, 16, &kConvKernelsAvx2, &kTensorKernelsAvx2};
  static const KernelTable avx512{Isa::kAvx512, 16, 32, &kConvKernelsAvx512, &kTensorKernelsAvx512};
  switch (isa) {
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx2:
      return avx2;
    case Isa::kPortable:
      break;
  }
  return portable;
}

}  // namespace layerwise::cpu
