#include "backends/opencl/gemm.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "backends/opencl/cost.h"
#include "backends/opencl/kernel_types.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr const char* kLanes = "lanes";

struct Tile {
  int size, item;  ///< of rows and of columns
};

constexpr int kTileDepth = 16;

Tile tileOf(const std::string& parameters) {
  Tile tile{};
  if (std::sscanf(parameters.c_str(), "tile=%d item=%d", &tile.size, &tile.item) != 2)
    throw Error(ErrorCode::kInternal,
                fmt::format("[opencl gemm] parameters '{}' are not understood", parameters));
  return tile;
}

std::size_t tilesOf(cl_int size, int tile) {
  return (static_cast<std::size_t>(size) + static_cast<std::size_t>(tile) - 1) /
         static_cast<std::size_t>(tile);
}

}  // namespace

std::vector<std::string> gemmCandidates(const Device& device) {
  if (device.info().isCpu) return {"tile=32 item=8", kLanes};
  return {"tile=64 item=4", "tile=32 item=4", kLanes};
}

double gemmSeconds(const Device& device, const std::string& parameters, double rows, double columns,
                   double depth, double batch, double bytes) {
  CostModel cost(device.info());
  double units = device.info().computeUnits, perUnit = cost.flopsPerSecond / units;
  double compute = 0;
  if (parameters == kLanes) {
    // Memory decides: b is read once a row.
    compute = rows * columns * depth * batch * sizeof(float) / (2 * cost.bytesPerSecond);
  } else {
    Tile tile = tileOf(parameters);
    double groups = std::ceil(rows / tile.size) * std::ceil(columns / tile.size) * batch;
    compute = std::ceil(groups / units) * 2 * tile.size * tile.size * depth / (perUnit * 0.3);
  }
  return cost.launchSeconds + std::max(compute, bytes / cost.bytesPerSecond);
}

std::optional<Launch> gemmLaunch(const Device& device, const Gemm& gemm,
                                 const std::string& parameters) {
  const GemmShape& shape = gemm.shape;
  Nest batch = simplifiedNest<4>(gemm.batch);
  if (batch.total == 0 || shape.rows == 0 || shape.columns == 0) return std::nullopt;
  ProgramSource source{.file = "gemm.cl"};
  std::vector<DataType> types{gemm.y.type, gemm.a.type, gemm.b.type};
  std::vector<Argument> arguments = gemm.y.arguments;
  auto append = [&](const std::vector<Argument>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
  };
  append(gemm.a.arguments);
  append(gemm.b.arguments);
  if (gemm.bias) {
    source.define("HAS_BIAS", "1");
    arguments.push_back(Argument::memory(*gemm.bias));
  }
  if (gemm.residual) {
    types.push_back(gemm.residual->type);
    append(gemm.residual->arguments);
  }
  defineTypes(source, types);
  gemm.epilogue.define(source);
  arguments.push_back(Argument::value(batch));
  arguments.push_back(Argument::value(shape));
  arguments.push_back(Argument::real(gemm.epilogue.activation.alpha));
  arguments.push_back(Argument::real(gemm.epilogue.activation.beta));
  auto products = static_cast<std::size_t>(batch.total);
  if (parameters == kLanes) {
    constexpr std::size_t kWidth = 64;
    source.define("LANES", kWidth);
    return Launch{device.program(source),
                  "gemv",
                  std::move(arguments),
                  {static_cast<std::size_t>(shape.columns) * kWidth,
                   static_cast<std::size_t>(shape.rows), products},
                  {kWidth, 1, 1}};
  }
  Tile tile = tileOf(parameters);
  source.define("TILE_ROWS", tile.size);
  source.define("TILE_COLUMNS", tile.size);
  source.define("TILE_DEPTH", kTileDepth);
  source.define("ITEM_ROWS", tile.item);
  source.define("ITEM_COLUMNS", tile.item);
  if (shape.depthStrideA != 1) source.define("A_ROWS_FIRST", "1");
  if (shape.depthStrideB != 1) source.define("B_COLUMNS_FIRST", "1");
  auto items = static_cast<std::size_t>(tile.size / tile.item);
  std::size_t group = items * items;
  return Launch{
      device.program(source),
      "gemm",
      std::move(arguments),
      {tilesOf(shape.rows, tile.size) * group, tilesOf(shape.columns, tile.size), products},
      {group, 1, 1}};
}

}  // namespace layerwise::opencl
