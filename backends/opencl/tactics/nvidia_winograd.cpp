#include "backends/opencl/nvidia/products.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/winograd_tactic.h"

namespace layerwise {
namespace opencl {
namespace {

/// The products in float32, or as sums of TF32's on tensor cores, by kernels/nvidia_conv.cl.
class NvidiaWinograd final : public WinogradTactic {
 public:
  NvidiaWinograd(const Device& device, ConvMath math) : WinogradTactic(device), math_(math) {}
  std::string_view name() const override {
    return math_ == ConvMath::kFloat ? "conv_f32_winograd" : "conv_tf32x3_winograd";
  }

 private:
  NvidiaProducts productsOf(const WinogradProblem& p) const {
    return {p.elements(), p.inPitch(), p.outPitch(), math_};
  }

  Way bestWay(const WinogradProblem& p) const override {
    const auto [tile, seconds] = bestNvidiaProducts(productsOf(p), p.patches(),
                                                    static_cast<int>(device_.info().computeUnits));
    return {ConvCut{tile, 1}.text(), seconds};
  }

  // An H200 with 132 multiprocessors has 2.8e12 and more.
  double bytesPerSecond() const override { return 2.1e10 * device_.info().computeUnits; }

  std::vector<float> packed(const WinogradProblem& p, const Node& node,
                            const std::string&) const override {
    return packNvidiaProducts(productsOf(p),
                              transformedWeights(p, node, p.inPitch(), p.outPitch()));
  }

  Launch multiply(const WinogradProblem& p, const std::string& way, std::int64_t patches,
                  const Argument& transformed, const cl::Buffer& weights, const Argument& products,
                  const std::string&) const override {
    const ConvCut cut = ConvCut::parse({math_, ConvUnit::kWarp}, way);
    return nvidiaProductsLaunch(device_, cut.tile, productsOf(p), patches, transformed, weights,
                                products);
  }

  ConvMath math_;
};

}  // namespace
}  // namespace opencl

void registerTactic_nvidia_winograd(opencl::TacticRegistry& registry) {
  using namespace opencl;
  for (ConvMath math : {ConvMath::kFloat, ConvMath::kTf32x3})
    if (nvidiaProductsWork(registry.device(), math))
      registry.add(std::make_unique<NvidiaWinograd>(registry.device(), math));
}

}  // namespace layerwise
