#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/conv.h"
#include "backends/opencl/step.h"

/// Many products of float32 matrices in one launch of kernels/nvidia/conv.cl.
namespace layerwise::opencl {

/// a[r][k] b[k] for each k of `count`: row r holds all of the products' parts of `depth`, and all
/// of their results of `columns`, one behind the other. Both are multiples of 4. The arithmetic is
/// kFloat or kTf32x3.
struct NvidiaProducts {
  std::int64_t count = 0, depth = 0, columns = 0;
  ConvMath math = ConvMath::kFloat;
};

/// The tile that is estimated to be the fastest for so many rows, and its time.
std::pair<ConvTile, double> bestNvidiaProducts(const NvidiaProducts& products, std::int64_t rows,
                                               int multiprocessors);
/// Matrices b, [count][depth][columns], in the kernel's order.
std::vector<float> packNvidiaProducts(const NvidiaProducts& products,
                                      const std::vector<float>& matrices);
/// Arguments are of two parameters and aligned to 16 bytes.
Launch nvidiaProductsLaunch(const Device& device, const ConvTile& tile,
                            const NvidiaProducts& products, std::int64_t rows, const Argument& a,
                            const cl::Buffer& packed, const Argument& y);
/// Whether they come out exactly on this device; see nvidiaConvWorks().
bool nvidiaProductsWork(const Device& device, ConvMath math);

}  // namespace layerwise::opencl
