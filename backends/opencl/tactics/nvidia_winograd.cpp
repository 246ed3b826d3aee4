#include "backends/opencl/nvidia_products.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/winograd_tactic.h"

namespace layerwise {
namespace opencl {
namespace {

/// The products in exact float32 by kernels/nvidia_conv.cl.
class NvidiaWinograd final : public WinogradTactic {
 public:
  explicit NvidiaWinograd(const Device& device) : WinogradTactic(device) {}
  std::string_view name() const override { return "conv_f32_winograd"; }

 private:
  static NvidiaProducts productsOf(const WinogradProblem& p) {
    return {p.elements(), p.inPitch(), p.outPitch()};
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
    const ConvCut cut = ConvCut::parse({ConvMath::kFloat, ConvUnit::kWarp}, way);
    return nvidiaProductsLaunch(device_, cut.tile, productsOf(p), patches, transformed, weights,
                                products);
  }
};

}  // namespace
}  // namespace opencl

void registerTactic_nvidia_winograd(opencl::TacticRegistry& registry) {
  if (opencl::nvidiaProductsWork(registry.device()))
    registry.add(std::make_unique<opencl::NvidiaWinograd>(registry.device()));
}

}  // namespace layerwise
