#pragma once

#include <cstdint>

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

struct KernelTable {
  Isa isa;
  int width;      ///< floats in a vector
  int registers;  ///< vectors
  const ConvKernels* conv;
  const TensorKernels* tensor;

  ConvKernel convolution(ConvMethod method) const;
};

/// The kernels of an instruction set; calling them on a machine without it is an illegal
/// instruction.
const KernelTable& kernels(Isa isa);

}  // namespace layerwise::cpu
