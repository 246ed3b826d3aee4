#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/step.h"
#include "engine/tactic.h"

/// Convolution by Winograd's algorithm as the transforms of kernels/winograd.cl around a product of
/// matrices for each of the points^2 elements of a patch.
namespace layerwise::opencl {

/// A 3x3 convolution of stride 1 cut into patches of (points - 2)^2 output pixels.
struct WinogradProblem {
  std::int64_t points = 6;
  std::int64_t images = 0, inChannels = 0, outChannels = 0;
  std::int64_t height = 0, width = 0, outHeight = 0, outWidth = 0, padY = 0, padX = 0;

  std::int64_t elements() const { return points * points; }
  std::int64_t patchesY() const { return (outHeight + points - 3) / (points - 2); }
  std::int64_t patchesX() const { return (outWidth + points - 3) / (points - 2); }
  std::int64_t patches() const { return images * patchesY() * patchesX(); }
  /// Channels of the transformed input and of the products: whole groups of four.
  std::int64_t inPitch() const { return (inChannels + 3) / 4 * 4; }
  std::int64_t outPitch() const { return (outChannels + 3) / 4 * 4; }
  /// Of workspace.
  std::int64_t bytesOfPatch() const { return elements() * (inPitch() + outPitch()) * 4; }
  /// Of the products of matrices.
  double flops() const;
  /// What the products read and write besides weights, and what the transforms do.
  double productBytes() const;
  double transformedBytes() const;
};

/// The problem of a convolution that the algorithm is for; otherwise nothing.
std::optional<WinogradProblem> winogradProblem(const Convolution& attributes, const Dims& input,
                                               std::int64_t points);

/// The weights of all elements, [element][depth][columns], filled up with zeros.
std::vector<float> transformedWeights(const WinogradProblem& problem, const Node& node,
                                      std::int64_t depth, std::int64_t columns);

/// The launch between the transforms: for each element, `patches` rows of `transformed` (inPitch
/// floats of elements() x inPitch a row) times the element's weights, to rows of outPitch floats.
using WinogradProduct = std::function<Launch(std::int64_t patches, const Argument& transformed,
                                             const Argument& products)>;

/// A sequence of launches for `pass` patches at a time, so that workspaces are not boundless.
ClStep winogradStep(const Device& device, const BindContext& context,
                    const WinogradProblem& problem, std::int64_t pass, const cl::Buffer& bias,
                    const WinogradProduct& product);

}  // namespace layerwise::opencl
