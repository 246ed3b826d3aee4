#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/step.h"

namespace layerwise::opencl {

/// Products of matrices y = finish(a b + bias), in the terms of kernels/gemm.cl.
struct GemmShape {
  cl_int rows = 1, columns = 1, depth = 1;
  cl_int rowStrideY = 0, columnStrideY = 0;
  cl_int rowStrideA = 0, depthStrideA = 0;
  cl_int depthStrideB = 0, columnStrideB = 0;
  cl_int rowStrideR = 0, columnStrideR = 0;
};

struct GemmOperand {
  std::vector<Argument> arguments;  ///< base and offset
  DataType type = DataType::kFloat32;
};

struct Gemm {
  GemmShape shape;
  std::vector<Loop<4>> batch;  ///< operands y, a, b, residual
  GemmOperand y, a, b;
  std::optional<cl::Buffer> bias;
  std::optional<GemmOperand> residual;
  Epilogue epilogue{FusedNodes{}};
};

/// How a product is cut among work items.
enum class GemmMethod { kTiles, kLanes };

/// "method=tiles tile=64": the ways there are, the best guess first.
std::vector<std::string> gemmCandidates(const Device& device);
/// What the cost model thinks of one.
double gemmSeconds(const Device& device, const std::string& parameters, double rows, double columns,
                   double depth, double batch, double bytes);

/// The launch of a product in one of the ways of gemmCandidates; nothing where there is nothing to
/// compute.
std::optional<Launch> gemmLaunch(const Device& device, const Gemm& gemm,
                                 const std::string& parameters);

}  // namespace layerwise::opencl
