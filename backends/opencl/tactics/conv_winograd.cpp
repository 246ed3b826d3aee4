#include <algorithm>

#include "backends/opencl/conv_gemm.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/winograd_tactic.h"

namespace layerwise {
namespace opencl {
namespace {

/// The products by kernels/conv_gemm.cl, as a pointwise convolution with a group an element.
class ConvWinogradTactic final : public WinogradTactic {
 public:
  explicit ConvWinogradTactic(const Device& device) : WinogradTactic(device) {}
  std::string_view name() const override { return "cl_conv_winograd"; }

 private:
  Way bestWay(const WinogradProblem& p) const override {
    const ConvGemmWork work{static_cast<double>(p.patches()), static_cast<double>(p.outPitch()),
                            static_cast<double>(p.inPitch()), static_cast<double>(p.elements())};
    Way best;
    for (const ConvGemmTile& tile : convGemmTiles(device_.info())) {
      const double seconds = std::max(convGemmSeconds(work, tile, device_.info()),
                                      p.productBytes() / bytesPerSecond());
      if (best.text.empty() || seconds < best.seconds) best = {tile.text(), seconds};
    }
    return best;
  }

  double bytesPerSecond() const override { return CostModel(device_.info()).bytesPerSecond; }

  std::vector<float> packed(const WinogradProblem& p, const Node& node,
                            const std::string& way) const override {
    const ConvGemmTile tile = ConvGemmTile::parse(way);
    return transformedWeights(p, node, roundUp(p.inPitch(), tile.depth),
                              roundUp(p.outPitch(), tile.columns));
  }

  Launch multiply(const WinogradProblem& p, const std::string& way, std::int64_t patches,
                  const Argument& transformed, const cl::Buffer& weights, const Argument& products,
                  const std::string& layer) const override {
    ConvGemm conv{.output = {products}, .input = {transformed}, .weights = weights};
    conv.groups = p.elements();
    conv.vectors = true;
    ConvGemmArgument& shape = conv.shape;
    shape.pixels = shape.window.in[2] = shape.window.out[2] = toInt(patches);
    shape.groupInputs = toInt(p.inPitch()), shape.groupOutputs = toInt(p.outPitch());
    shape.from.c = shape.to.c = 1;
    shape.from.x = toInt(p.elements() * p.inPitch());
    shape.to.x = toInt(p.elements() * p.outPitch());
    return convGemmLaunch(device_, ConvGemmTile::parse(way), conv, layer);
  }
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_winograd(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvWinogradTactic>(registry.device()));
}

}  // namespace layerwise
