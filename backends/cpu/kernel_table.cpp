#include "backends/cpu/kernel_table.h"

namespace layerwise::cpu {

extern const ConvKernels kConvKernelsPortable, kConvKernelsAvx2, kConvKernelsAvx512;
extern const TensorKernels kTensorKernelsPortable, kTensorKernelsAvx2, kTensorKernelsAvx512;

extern const TypedTensorKernels kTypedTensorKernelsPortable, kTypedTensorKernelsAvx2,
    kTypedTensorKernelsAvx512;
extern const TypedConvKernels kBytesKernelsPortable, kBytesKernelsAvx2, kBytesKernelsAvx2Vnni,
    kBytesKernelsAvx512Vnni;
extern const TypedConvKernels kBFloat16KernelsPortable, kBFloat16KernelsAvx2,
    kBFloat16KernelsAvx512, kBFloat16KernelsAvx512Bf16;
extern const Peak kAmxBFloat16Peak, kAmxBytesPeak;

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
    case ConvMethod::kWide:
    case ConvMethod::kMatched:
    case ConvMethod::kDirect:
      break;
  }
  return conv->direct;
}

TypedConvKernel TypedConvKernels::convolution(ConvMethod method, bool pairsFit) const {
  switch (method) {
    case ConvMethod::kWide:
      return wide;
    case ConvMethod::kMatched:
      return pairsFit ? matched : nullptr;
    case ConvMethod::kDepthwise:
      return pairsFit ? depthwise : exactDepthwise;
    case ConvMethod::kWinograd2:
      return winograd2;
    case ConvMethod::kWinograd4:
      return winograd4;
    case ConvMethod::kGrouped:
      return nullptr;
    case ConvMethod::kDirect:
      break;
  }
  return pairsFit || !wide ? direct : nullptr;
}

const KernelTable& kernels(Isa isa) {
  static const KernelTable portable{Isa::kPortable,
                                    8,
                                    16,
                                    &kConvKernelsPortable,
                                    &kTensorKernelsPortable,
                                    &kTypedTensorKernelsPortable};
  static const KernelTable avx2{
      Isa::kAvx2, 8, 16, &kConvKernelsAvx2, &kTensorKernelsAvx2, &kTypedTensorKernelsAvx2};
  static const KernelTable avx512{
      Isa::kAvx512, 16, 32, &kConvKernelsAvx512, &kTensorKernelsAvx512, &kTypedTensorKernelsAvx512};
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

const TypedConvKernels& typedConvKernels(Element element, const CpuChoice& cpu) {
  if (element == Element::kUInt8) {
    if (cpu.features.avx512Vnni) return kBytesKernelsAvx512Vnni;
    if (cpu.features.avxVnni) return kBytesKernelsAvx2Vnni;
    return cpu.isa == Isa::kPortable ? kBytesKernelsPortable : kBytesKernelsAvx2;
  }
  if (cpu.features.avx512Bf16) return kBFloat16KernelsAvx512Bf16;
  if (cpu.isa == Isa::kAvx512) return kBFloat16KernelsAvx512;
  return cpu.isa == Isa::kAvx2 ? kBFloat16KernelsAvx2 : kBFloat16KernelsPortable;
}

Peak peakOf(Element element, const CpuChoice& cpu) {
  if (element == Element::kFloat32) return kernels(cpu.isa).tensor->peak;
  const bool bytes = element == Element::kUInt8;
  if (bytes && cpu.features.amxInt8) return kAmxBytesPeak;
  if (!bytes && cpu.features.amxBf16) return kAmxBFloat16Peak;
  return typedConvKernels(element, cpu).peak;
}

bool hasBFloat16Arithmetic(const CpuChoice& cpu) {
  return cpu.features.avx512Bf16;
}

std::vector<const TypedConvKernels*> allTypedConvKernels(Element element) {
  std::vector<const TypedConvKernels*> all;
  for (const CpuChoice& cpu : availableCpus()) {
    const TypedConvKernels* kernels = &typedConvKernels(element, cpu);
    if (all.empty() || all.back() != kernels) all.push_back(kernels);
  }
  return all;
}

}  // namespace layerwise::cpu
