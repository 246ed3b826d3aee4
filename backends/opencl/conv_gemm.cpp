#include "backends/opencl/conv_gemm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "backends/opencl/conv_weights.h"
#include "backends/opencl/kernel_types.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr ConvGemmTile kGpuTiles[] = {{128, 128, 8, 8, 8}, {128, 64, 8, 8, 8}, {64, 64, 16, 4, 4},
                                      {64, 64, 8, 8, 8},   {32, 64, 16, 4, 4}, {32, 32, 16, 4, 4}};
constexpr ConvGemmTile kCpuTiles[] = {{32, 32, 16, 8, 8}};

struct Tap {
  cl_int offset, z, y, x;
};

// Moves a position out of every input, also one that is moved far below it.
constexpr cl_int kOutside = 1 << 29;

/// Where each step of the depth reads, relative to a window's first element.
std::vector<Tap> tapsOf(const WindowArgument& w, const ViewStrides& from, int inputs, int depth) {
  std::vector<Tap> taps;
  for (cl_int z = 0; z < w.kernel[0]; ++z)
    for (cl_int y = 0; y < w.kernel[1]; ++y)
      for (cl_int x = 0; x < w.kernel[2]; ++x)
        for (cl_int c = 0; c < inputs; ++c) {
          cl_int dz = z * w.dilation[0], dy = y * w.dilation[1], dx = x * w.dilation[2];
          taps.push_back({dz * from.z + dy * from.y + dx * from.x + c * from.c, dz, dy, dx});
        }
  taps.resize(static_cast<std::size_t>(depth), {0, kOutside, 0, 0});
  return taps;
}

}  // namespace

std::string ConvGemmTile::text() const {
  return fmt::format("tile={}x{}x{} item={}x{}", rows, columns, depth, itemRows, itemColumns);
}

ConvGemmTile ConvGemmTile::parse(std::string_view text) {
  ConvGemmTile t;
  std::string tail(text.substr(std::min(text.find("tile="), text.size())));
  if (std::sscanf(tail.c_str(), "tile=%dx%dx%d item=%dx%d", &t.rows, &t.columns, &t.depth,
                  &t.itemRows, &t.itemColumns) != 5)
    throw Error(ErrorCode::kInternal,
                fmt::format("[opencl conv_gemm] parameters '{}' are not understood", text));
  return t;
}

std::span<const ConvGemmTile> convGemmTiles(const DeviceInfo& device) {
  if (device.isCpu) return kCpuTiles;
  return kGpuTiles;
}

double convGemmSeconds(const ConvGemmWork& work, const ConvGemmTile& tile,
                       const DeviceInfo& device) {
  // Waves of groups over the compute units, each group at a share of its unit's rate that grows
  // with what an item computes from what it loads.
  double groups =
      std::ceil(work.rows / tile.rows) * std::ceil(work.columns / tile.columns) * work.groups;
  double depth = std::ceil(work.depth / tile.depth) * tile.depth;
  double flops = 2.0 * tile.rows * tile.columns * depth;
  double perUnit = CostModel(device).flopsPerSecond / device.computeUnits;
  double efficiency = tile.itemRows * tile.itemColumns >= 64 ? 0.6 : 0.4;
  // Two groups of the smaller size share a unit before it is busy.
  double resident = std::max(1.0, 256.0 / tile.group());
  double waves = std::ceil(groups / (device.computeUnits * resident));
  return waves * resident * flops / (perUnit * efficiency);
}

Launch convGemmLaunch(const Device& device, const ConvGemmTile& tile, const ConvGemm& conv,
                      std::string_view layer) {
  ConvGemmArgument shape = conv.shape;
  const WindowArgument& w = shape.window;
  shape.depth = toInt(roundUp(
      static_cast<std::int64_t>(shape.groupInputs) * w.kernel[0] * w.kernel[1] * w.kernel[2],
      tile.depth));
  shape.columns = toInt(roundUp(shape.groupOutputs, tile.columns));
  ProgramSource source{.file = "conv_gemm.cl"};
  source.define("TILE_ROWS", tile.rows);
  source.define("TILE_COLUMNS", tile.columns);
  source.define("TILE_DEPTH", tile.depth);
  source.define("ITEM_ROWS", tile.itemRows);
  source.define("ITEM_COLUMNS", tile.itemColumns);
  std::vector<DataType> types{conv.output.type, conv.input.type};
  std::vector<Argument> arguments{conv.output.place, conv.input.place,
                                  Argument::memory(conv.weights)};
  if (conv.bias) {
    source.define("HAS_BIAS", "1");
    arguments.push_back(Argument::memory(*conv.bias));
  }
  arguments.push_back(
      Argument::memory(device.upload(tapsOf(w, shape.from, shape.groupInputs, shape.depth),
                                     fmt::format("the taps of {}", layer))));
  if (conv.residual) {
    types.push_back(conv.residual->type);
    arguments.push_back(conv.residual->place);
  }
  defineTypes(source, types);
  conv.epilogue.define(source);
  source.define("VECTOR", conv.vectors ? 4 : 1);
  bool half = conv.input.type == DataType::kFloat16;
  source.define("LOAD_INPUT(at)",
                conv.vectors ? (half ? "vload_half4(0, at)" : "vload4(0, at)") : "LOAD1(at, 0)");
  if (conv.rowsFirst) source.define("ROWS_FIRST", "1");
  arguments.push_back(Argument::value(shape));
  arguments.push_back(Argument::real(conv.epilogue.activation.alpha));
  arguments.push_back(Argument::real(conv.epilogue.activation.beta));
  auto group = static_cast<std::size_t>(tile.group());
  auto rowTiles = static_cast<std::size_t>(roundUp(shape.pixels, tile.rows) / tile.rows);
  auto columnTiles = static_cast<std::size_t>(shape.columns / tile.columns);
  return {device.program(source),
          "conv_gemm",
          std::move(arguments),
          {rowTiles * group, columnTiles, static_cast<std::size_t>(conv.groups)},
          {group, 1, 1}};
}

}  // namespace layerwise::opencl
