#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "backends/opencl/nvidia/conv_step.h"

namespace layerwise::opencl {

/// A small convolution 3x3 whose sums are exact whatever their order: of all bytes, or of numbers
/// of few bits, and for TF32 further ones that the tensor cores cut off. For the self-tests of
/// kernels.
struct ConvTrial {
  ConvTrial(ConvMath math, std::int64_t channels, std::int64_t stride);

  /// The convolution's results, channels-last, of what `math` keeps of the input.
  std::vector<double> sums() const;
  /// The input, as buffer 1 in planes; an output in channels-last layout, as buffer 2.
  ConvTensor inputTensor() const;
  ConvTensor outputTensor(DataType type, const Dims& dims) const;
  /// What a step writes to buffer 2. Throws Error as it goes.
  std::vector<double> run(const Device& device, std::unique_ptr<Step> step,
                          const ConvTensor& output) const;

  ConvProblem problem;
  std::int64_t zeroPoint = 0;  ///< of the input
  std::vector<float> input, weights, bias;

 private:
  ConvMath math_;
};

/// Whether results are what they should be, `exact`, or as near as a half is.
bool agree(const std::vector<double>& results, const std::vector<double>& wanted, bool exact);

}  // namespace layerwise::opencl
