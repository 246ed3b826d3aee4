#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "backends/cpu/conv.h"
#include "backends/cpu/weight_memory.h"
#include "layerwise/layers.h"

// What the tactics for convolutions of all types share.
namespace layerwise::cpu {

/// A configuration as a candidate's parameters, and back.
std::string configText(const ConvConfig& config);
ConvConfig configFromText(const std::string& text, ConvMethod method, int width);

/// A two-dimensional view of the convolution; one-dimensional ones have a height of 1.
ConvShape convShapeOf(const Convolution& a, const Dims& in);

/// What packing depends on: channels, kernel, dilation and groups, read off the kernel's number of
/// elements.
ConvShape weightShape(const Convolution& a, std::int64_t kernelElements);

struct PackedConvolution {
  WeightMemory memory;
  bool pairsFit = true;  ///< of bytes: pairsFitSixteenBits()
  float* data() const { return reinterpret_cast<float*>(memory.data()); }
  std::span<const std::byte> bytes() const { return {memory.data(), memory.size()}; }
};

}  // namespace layerwise::cpu
