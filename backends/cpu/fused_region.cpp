#include "backends/cpu/fused_region.h"

#include <limits>

#include "backends/shared/fused_region.h"

namespace layerwise::cpu {

std::optional<Epilogue> epilogueOf(const layerwise::Activation& a) {
  auto make = [&](Activation activation, double alpha = 0, double beta = 0) {
    Epilogue e;
    e.activation = activation;
    e.alpha = static_cast<float>(alpha);
    e.beta = static_cast<float>(beta);
    return e;
  };
  switch (a.type) {
    case ActivationType::kRelu:
      return make(Activation::kClip, 0, std::numeric_limits<double>::infinity());
    case ActivationType::kClip:
      return make(Activation::kClip, a.alpha, a.beta);
    case ActivationType::kLeakyRelu:
      return make(Activation::kLeaky, a.alpha);
    case ActivationType::kSigmoid:
      return make(Activation::kSigmoid);
    case ActivationType::kSilu:
      return make(Activation::kSilu);
    case ActivationType::kHardSigmoid:
      return make(Activation::kHardSigmoid, a.alpha, a.beta);
    case ActivationType::kHardSwish:
      return make(Activation::kHardSwish, 1.0 / 6, 0.5);
    case ActivationType::kMish:
      return make(Activation::kMish);
    case ActivationType::kTanh:
      return make(Activation::kTanh);
    case ActivationType::kElu:
      return make(Activation::kElu, a.alpha);
    case ActivationType::kGeluErf:
      return make(Activation::kGelu);
    default:
      return std::nullopt;
  }
}

namespace {

Epilogue toEpilogue(const FusedNodes& region) {
  Epilogue epilogue;
  if (region.activation) epilogue = *epilogueOf(*region.activation);
  if (region.residual != kNone)
    epilogue.residual =
        region.residualFirst ? ResidualPlace::kBeforeActivation : ResidualPlace::kAfterActivation;
  return epilogue;
}

}  // namespace

std::vector<FusedRegion> fusedRegions(const MatchContext& context, NodeId first) {
  std::vector<FusedRegion> regions;
  for (const FusedNodes& region : fusedNodes(context, first, [](const layerwise::Activation& a) {
         return epilogueOf(a).has_value();
       }))
    regions.push_back({region.nodes, region.output, region.residual, toEpilogue(region)});
  return regions;
}

Epilogue epilogueOf(const Graph& graph, const std::vector<NodeId>& nodes) {
  return toEpilogue(fusedNodes(graph, nodes));
}

}  // namespace layerwise::cpu
