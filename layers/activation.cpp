#include <algorithm>
#include <cmath>
#include <numbers>

#include "layers/activate.h"
#include "layers/layer_kind.h"

namespace layerwise {

double activate(const Activation& a, double x) {
  switch (a.type) {
    case ActivationType::kRelu:
      return std::max(0.0, x);
    case ActivationType::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case ActivationType::kTanh:
      return std::tanh(x);
    case ActivationType::kLeakyRelu:
      return x >= 0 ? x : a.alpha * x;
    case ActivationType::kElu:
      return x >= 0 ? x : a.alpha * std::expm1(x);
    case ActivationType::kSelu:
      return a.beta * (x >= 0 ? x : a.alpha * std::expm1(x));
    case ActivationType::kSoftsign:
      return x / (1 + std::abs(x));
    case ActivationType::kSoftplus: {
      double y = a.beta * x;
      return a.alpha * (std::max(y, 0.0) + std::log1p(std::exp(-std::abs(y))));
    }
    case ActivationType::kClip:
      return std::min(a.beta, std::max(a.alpha, x));
    case ActivationType::kHardSigmoid:
      return std::min(1.0, std::max(0.0, a.alpha * x + a.beta));
    case ActivationType::kScaledTanh:
      return a.alpha * std::tanh(a.beta * x);
    case ActivationType::kThresholdedRelu:
      return x > a.alpha ? x : 0;
    case ActivationType::kGeluErf:
      return x / 2 * (1 + std::erf(x / std::numbers::sqrt2));
    case ActivationType::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case ActivationType::kSilu:
      return x / (1 + std::exp(-x));
    case ActivationType::kMish:
      return x * std::tanh(std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))));
    case ActivationType::kHardSwish:
      return x * std::min(1.0, std::max(0.0, x / 6 + 0.5));
  }
  throw Error(ErrorCode::kInternal, "[activation] unknown type");
}

Activation withFloat32Parameters(Activation activation) {
  // GCC 12 drops a pair of roundings side by side (double to float and back) where it makes one
  // vector operation of them.
  volatile float alpha = static_cast<float>(activation.alpha);
  volatile float beta = static_cast<float>(activation.beta);
  activation.alpha = alpha;
  activation.beta = beta;
  return activation;
}

void registerLayer_activation(LayerRegistry& registry) {
  registry.add<Activation>({
      .infer =
          [](const Activation&, const ShapeContext& c) {
            c.expectFloat();
            return std::vector<TensorInfo>{c.inputs[0].info};
          },
      .reference =
          [](const Activation& a, const ReferenceContext& c) {
            std::transform(c.inputs[0].values.begin(), c.inputs[0].values.end(),
                           c.outputs[0].values.begin(), [&](double x) { return activate(a, x); });
          },
      .traits = [](const Activation&) { return Traits{.pointwise = true}; },
      .imageByImage = alwaysImageByImage<Activation>,
  });
}

}  // namespace layerwise
