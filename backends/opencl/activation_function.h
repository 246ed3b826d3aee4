#pragma once

#include <string>

#include "layerwise/layers.h"

namespace layerwise::opencl {

/// An activation as kernels/activation.cl has it: a function's name and its two numbers.
struct ActivationFunction {
  std::string name = "act_none";
  float alpha = 0;
  float beta = 0;
};

ActivationFunction activationFunction(const Activation& activation);

}  // namespace layerwise::opencl
