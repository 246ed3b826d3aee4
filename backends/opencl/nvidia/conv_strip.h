#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/opencl/nvidia/conv_step.h"

/// The host's side of kernels/nvidia/conv_strip.cl: a picture's first convolution and the maximum
/// over windows behind it.
namespace layerwise::opencl {

/// A convolution over pictures, in half or TF32, and windows over its results.
struct PooledConv {
  ConvMath math = ConvMath::kHalf;
  ConvProblem conv;
  std::int64_t windowY = 3, windowX = 3, padY = 0, padX = 0;
  std::int64_t height = 1, width = 1;  ///< of the maxima
};

/// The two layers over an input of these dimensions; none where the kernel cannot run them. Throws
/// Error naming the attribute.
std::optional<PooledConv> pooledConv(ConvMath math, const Convolution& convolution,
                                     const Pooling& pooling, const Dims& input);

/// How the maxima are cut up: by how many results of the convolution a strip is wide, how many rows
/// of maxima it has, and how many strips, one below the other, a group computes: 1 or 2.
struct StripCut {
  int columns = 64, rows = 1, warpgroups = 1;
  std::string text() const;
  static StripCut parse(const std::string& text);
};
/// How wide strips may be.
constexpr int kMostColumns = 136;
/// All cuts, the best guess first, with the times estimated for a device of so many
/// multiprocessors; and those that a tactic offers.
std::vector<std::pair<StripCut, double>> stripCuts(const PooledConv& problem, int multiprocessors,
                                                   int mostColumns = kMostColumns);
std::vector<std::pair<StripCut, double>> stripCutsToTry(const Device& device,
                                                        const PooledConv& problem);

/// Weights in the order in which threads hold them; they serve every cut.
std::shared_ptr<const PackedConv> uploadStripConv(const Device& device, ConvMath math,
                                                  const ConvProblem& problem,
                                                  const std::vector<float>& weights,
                                                  const std::vector<float>& bias);

struct StripBinding {
  StripCut cut;
  PooledConv problem;
  ConvTensor in, out;
  const Activation* activation = nullptr;  ///< between the two; nullptr: none
};
std::unique_ptr<Step> bindStripConv(const Device& device, const StripBinding& binding,
                                    const PackedConv& packed);

/// Whether the kernel compiles and computes what it should on this device (nvidiaConvWorks()).
bool stripConvWorks(const Device& device, ConvMath math);

}  // namespace layerwise::opencl
