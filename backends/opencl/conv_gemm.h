#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/opencl/cost.h"
#include "backends/opencl/device.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/step.h"
#include "backends/opencl/window.h"

/// The host's side of kernels/conv_gemm.cl.
namespace layerwise::opencl {

/// How a group of work items shares the product: the macros of the kernel.
struct ConvGemmTile {
  int rows = 0, columns = 0, depth = 0, itemRows = 0, itemColumns = 0;

  int group() const { return rows / itemRows * (columns / itemColumns); }
  std::string text() const;
  /// Of a text that ends with what text() gives.
  static ConvGemmTile parse(std::string_view text);
};

/// The tiles that pay on a device, the largest first.
std::span<const ConvGemmTile> convGemmTiles(const DeviceInfo& device);

struct ConvGemmWork {
  double rows, columns, depth, groups;
  double flops() const { return 2 * rows * columns * depth * groups; }
};
/// What the cost model believes the arithmetic takes.
double convGemmSeconds(const ConvGemmWork& work, const ConvGemmTile& tile,
                       const DeviceInfo& device);

/// The kernel's struct Conv; convGemmLaunch() fills in `depth` and `columns`.
struct ConvGemmArgument {
  WindowArgument window;
  ViewStrides from, to, residual;
  cl_int pixels = 0, depth = 0, columns = 0, groupInputs = 0, groupOutputs = 0;
};

struct ConvGemmOperand {
  Argument place;
  DataType type = DataType::kFloat32;
};

/// A convolution to launch, its weights laid out by weightMatrices() for the tile.
struct ConvGemm {
  ConvGemmArgument shape;
  std::int64_t groups = 1;
  ConvGemmOperand output, input;
  std::optional<ConvGemmOperand> residual;
  cl::Buffer weights;
  std::optional<cl::Buffer> bias;
  Epilogue epilogue{FusedNodes{}};
  bool vectors = false;    ///< aligned groups of four neighbouring channels may be read at once
  bool rowsFirst = false;  ///< neighbouring pixels of the input lie together
};
Launch convGemmLaunch(const Device& device, const ConvGemmTile& tile, const ConvGemm& conv,
                      std::string_view layer);

}  // namespace layerwise::opencl
