#pragma once

#include <cstdint>
#include <vector>

#include "backends/cpu/conv.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/matmul.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {

/// Runs unit `tile` of a plan; scratch holds plan.scratchFloats floats of the calling worker.
using ConvKernel = void (*)(const ConvPlan& plan, const ConvBuffers& buffers, int64_t tile,
                            float* scratch);

/// One instruction set's convolutions, by method, and the matrix product on the same microkernel.
struct ConvKernels {
  ConvKernel direct;
  ConvKernel grouped;
  ConvKernel depthwise;
  ConvKernel winograd2;
  ConvKernel winograd4;
  MatMulKernel matMul;
};

/// The same in a reduced type.
using TypedConvKernel = void (*)(const ConvPlan& plan, const TypedConvBuffers& buffers,
                                 int64_t tile, float* scratch);

/// One instruction set's convolutions of a reduced type.
struct TypedConvKernels {
  const char* name;  ///< of the instruction set, as LAYERWISE_CPU calls it
  int width;         ///< words in a vector
  int registers;     ///< vectors that a microkernel may count on
  TypedConvKernel direct;
  TypedConvKernel depthwise;
  TypedConvKernel exactDepthwise;  ///< of bytes: for weights that pairsFitSixteenBits() refuses
  TypedConvKernel wide;            ///< of bytes, where `direct` does not take such weights
  TypedConvKernel matched;         ///< of bytes likewise, else null
  TypedConvKernel winograd2;       ///< of bytes where it pays, else null
  TypedConvKernel winograd4;
  Peak peak;

  /// Null where there is none for such weights: pairsFit says whether pairsFitSixteenBits().
  TypedConvKernel convolution(ConvMethod method, bool pairsFit) const;
};

struct KernelTable {
  Isa isa;
  int width;      ///< floats in a vector
  int registers;  ///< vectors
  const ConvKernels* conv;
  const TensorKernels* tensor;
  const TypedTensorKernels* typed = nullptr;  ///< of reduced types

  ConvKernel convolution(ConvMethod method) const;
};

/// The kernels of an instruction set; calling them on a machine without it is an illegal
/// instruction.
const KernelTable& kernels(Isa isa);

/// The best kernels for bfloat16, or for uint8 activations and int8 weights, that `cpu` allows.
/// There always are some.
const TypedConvKernels& typedConvKernels(Element element, const CpuChoice& cpu);
/// Whether bfloat16 is multiplied as such, not only stored.
bool hasBFloat16Arithmetic(const CpuChoice& cpu);
/// What `cpu` can multiply and add at most in an element's type, on tiles where it has them.
Peak peakOf(Element element, const CpuChoice& cpu);
/// Kernels of all instruction sets that this machine has, for tests.
std::vector<const TypedConvKernels*> allTypedConvKernels(Element element);

}  // namespace layerwise::cpu
