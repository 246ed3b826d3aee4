#pragma once

#include "backends/opencl/activation_function.h"
#include "backends/opencl/program_cache.h"
#include "backends/shared/fused_region.h"

namespace layerwise::opencl {

/// What kernels/epilogue.cl does after a sum; its two numbers are the kernel's alpha and beta.
struct Epilogue {
  ActivationFunction activation;
  int residual = 0;  ///< 1: added before the activation, 2: after it

  explicit Epilogue(const FusedNodes& region) {
    if (region.activation) activation = activationFunction(*region.activation);
    if (region.residual != kNone) residual = region.residualFirst ? 1 : 2;
  }

  void define(ProgramSource& source) const {
    source.define("ACTIVATION", activation.name);
    if (residual) source.define("RESIDUAL", residual);
  }
};

}  // namespace layerwise::opencl
