#include "backends/opencl/activation_function.h"

#include <cmath>
#include <limits>

namespace layerwise::opencl {

ActivationFunction activationFunction(const Activation& a) {
  auto index = static_cast<std::size_t>(a.type);
  ActivationFunction function{"act_" + std::string(EnumNames<ActivationType>::kNames[index]),
                              static_cast<float>(a.alpha), static_cast<float>(a.beta)};
  // x > threshold for floats x is x > the largest float that is not above the threshold.
  if (a.type == ActivationType::kThresholdedRelu && static_cast<double>(function.alpha) > a.alpha)
    function.alpha = std::nextafter(function.alpha, -std::numeric_limits<float>::infinity());
  return function;
}

}  // namespace layerwise::opencl
