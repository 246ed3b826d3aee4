#include "backends/opencl/nvidia/products.h"

#include <algorithm>
#include <random>

#include "backends/opencl/executor.h"
#include "backends/opencl/nest.h"
#include "layerwise/error.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

const std::vector<ConvTile>& tilesOf(const NvidiaProducts& products) {
  return convTiles({products.math, ConvUnit::kWarp});
}

ConvProblem oneProduct(const NvidiaProducts& products, std::int64_t rows) {
  ConvProblem p;
  p.inChannels = products.depth, p.outChannels = products.columns;
  p.inWidth = p.outWidth = rows;
  return p;
}

}  // namespace

std::pair<ConvTile, double> bestNvidiaProducts(const NvidiaProducts& products, std::int64_t rows,
                                               int multiprocessors) {
  std::pair<ConvTile, double> best{{}, 0};
  for (const ConvTile& tile : tilesOf(products)) {
    // As many groups, one product's below the other's.
    const std::int64_t whole = (rows + tile.pixels - 1) / tile.pixels * tile.pixels;
    const double seconds =
        convSeconds({tile, 1}, oneProduct(products, whole * products.count), multiprocessors);
    if (best.second == 0 || seconds < best.second) best = {tile, seconds};
  }
  return best;
}

std::vector<float> packNvidiaProducts(const NvidiaProducts& products,
                                      const std::vector<float>& matrices) {
  std::vector<float> packed, turned(static_cast<std::size_t>(products.depth * products.columns));
  const float* from = matrices.data();
  for (std::int64_t k = 0; k < products.count; ++k) {
    for (std::int64_t i = 0; i < products.depth; ++i)
      for (std::int64_t o = 0; o < products.columns; ++o)
        turned[static_cast<std::size_t>(o * products.depth + i)] = *from++;
    const std::vector<float> own =
        packConvWeights(oneProduct(products, 1), tilesOf(products).front(), turned.data());
    packed.insert(packed.end(), own.begin(), own.end());
  }
  return packed;
}

Launch nvidiaProductsLaunch(const Device& device, const ConvTile& tile,
                            const NvidiaProducts& products, std::int64_t rows, const Argument& a,
                            const cl::Buffer& packed, const Argument& y) {
  ConvGeometry g{};
  g.pixels = g.imagePixels = g.width = g.inWidth = toInt(rows);
  g.perImagePixels = g.perWidth = inverseOf(g.width);
  g.inHeight = g.kernelWidth = g.strideY = g.strideX = g.dilationY = g.dilationX = 1;
  g.channels = toInt(products.columns), g.depth = g.inChannels = toInt(products.depth);
  g.inPixel = toInt(products.count * products.depth);
  g.outPixel = toInt(products.count * products.columns);
  g.productIn = toInt(products.depth), g.productOut = toInt(products.columns);
  g.weightRow = convWeightRow(products.depth, products.math);
  g.weightRows = convWeightRows(products.columns);
  ProgramSource source{.file = "nvidia/conv.cl"};
  for (auto& [name, value] : tile.defines()) source.define(name, value);
  source.define("POINTWISE", 1);
  source.define("PRODUCTS", 1);
  source.define("SPLIT", 0);
  source.define("RESIDUAL", 0);
  source.define("VECTORS", products.columns % 8 == 0);
  source.define("FLAT", 1 | 4);
  source.define("ACTIVATE(x, alpha, beta)", "x");
  const std::vector<float> noBias(static_cast<std::size_t>(g.weightRows), 0);
  const auto threads = static_cast<std::size_t>(tile.threads());
  auto groups = [](std::int64_t all, int of) {
    return static_cast<std::size_t>((all + of - 1) / of);
  };
  return {device.program(source),
          "convolution",
          {a, Argument::memory(packed), Argument::memory(device.upload(noBias, "no bias")), y, y,
           Argument::value(g)},
          {threads * groups(products.columns, tile.channels), groups(rows, tile.pixels),
           static_cast<std::size_t>(products.count)},
          {threads, 1, 1}};
}

bool nvidiaProductsWork(const Device& device, ConvMath math) {
  if (!device.capabilities().inlinePtx || device.capabilities().computeCapability < 80 ||
      device.info().localBytes < 48 * 1024)
    return false;
  const NvidiaProducts products{3, 36, 44, math};
  constexpr std::int64_t kRows = 37;
  std::mt19937 random(1);
  // Few bits, so that sums are exact.
  auto draw = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 17) - 8);
    return values;
  };
  std::vector<float> a = draw(kRows * products.count * products.depth),
                     b = draw(products.count * products.depth * products.columns);
  // Of every other number two parts in TF32, of what it is multiplied by one; sums stay exact.
  constexpr float kTwoParts = 4097;
  for (std::size_t i = 0; i < a.size(); i += 2) a[i] *= kTwoParts;
  for (std::size_t i = 0; i < b.size(); ++i)
    if (static_cast<std::int64_t>(i) / products.columns % 2) b[i] *= kTwoParts;
  std::vector<float> y(static_cast<std::size_t>(kRows * products.count * products.columns));
  const auto& tiles = tilesOf(products);
  const ConvTile& tile =
      *std::min_element(tiles.begin(), tiles.end(), [](const ConvTile& one, const ConvTile& other) {
        return one.pixels * one.channels < other.pixels * other.channels;
      });
  try {
    const cl::Buffer packed = device.upload(packNvidiaProducts(products, b), "packed matrices");
    const Dims aDims{kRows, products.count * products.depth},
        yDims{kRows, products.count * products.columns};
    auto view = [](int buffer, const Dims& dims) {
      const Layout layout = Layout::linear(DataType::kFloat32);
      return Argument::view({buffer, 0, DataType::kFloat32, dims, denseStrides(layout, dims)});
    };
    std::vector<BoundStep> steps(1);
    steps[0].step = std::make_unique<ClStep>(std::vector<Launch>{nvidiaProductsLaunch(
        device, tile, products, kRows, view(1, aDims), packed, view(2, yDims))});
    ClExecutor executor(device, std::make_shared<ThreadPool>(1));
    executor.prepare(steps, {},
                     std::vector<IoBuffer>{{a.size() * sizeof(float), true, false},
                                           {y.size() * sizeof(float), false, true}});
    std::vector<void*> io{a.data(), y.data()};
    executor.run(steps, io, nullptr, {});
  } catch (const Error&) {
    return false;
  }
  const float* got = y.data();
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t k = 0; k < products.count; ++k)
      for (std::int64_t o = 0; o < products.columns; ++o) {
        float sum = 0;
        for (std::int64_t i = 0; i < products.depth; ++i)
          sum += a[static_cast<std::size_t>((r * products.count + k) * products.depth + i)] *
                 b[static_cast<std::size_t>((k * products.depth + i) * products.columns + o)];
        if (!(*got++ == sum)) return false;
      }
  return true;
}

}  // namespace layerwise::opencl
