#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_geometry.h"
#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

constexpr int kUnitsPerThread = 4;

// A 1x1 convolution over dense rows is a matrix product over all pixels of all images.
bool canFlatten(const ConvPlan& p) {
  const ConvShape& s = p.shape;
  const auto dense = [&](const View& v) {
    return v.channel == 1 && (s.h == 1 || v.row == s.w * v.pixel) &&
           (s.n == 1 || v.image == s.h * s.w * v.pixel);
  };
  return s.kh == 1 && s.kw == 1 && s.sh == 1 && s.sw == 1 && s.pt == 0 && s.pl == 0 && s.pb == 0 &&
         s.pr == 0 && dense(p.in) && dense(p.out) &&
         (p.epilogue.residual == ResidualPlace::kNone || dense(p.residual));
}

// Some units for each worker, or of the sizes that the configuration asks for: `strip` rows.
UnitGrid cutAsConfigured(const ConvPlan& p, UnitSizes sizes, int threads, int64_t strip) {
  const ConvConfig& c = p.config;
  sizes.blocks = p.blockCount;
  sizes.threads = threads;
  UnitGrid g = cutIntoUnits(sizes);
  if (c.stripPixels) {
    g.strips = std::min(divideUp(g.rows, std::clamp<int64_t>(strip, 1, g.rows)),
                        divideUp(g.rows, g.rowGrain));
  }
  if (c.blocks) g.chunks = divideUp(g.blocks, std::min<int64_t>(c.blocks, g.blocks));
  return g;
}

void bindDirect(ConvPlan& p, int threads, const CacheSizes& caches) {
  const ConvShape& s = p.shape;
  const ConvConfig& c = p.config;
  p.flat = canFlatten(p);
  if (p.flat) {
    p.outW = s.n * s.h * s.w;
    p.outH = 1;
  }
  const int64_t block = c.width * c.vectors;
  p.blocksPerGroup = divideUp(p.groupCo, block);
  p.blockCount = p.blocksPerGroup * s.groups;
  const bool bordered = s.pt || s.pl || s.pb || s.pr;
  const int64_t bytes = elementBytes(c.element);
  const int64_t copyBytes = elementBytes(multiplied(c)),
                wordElements = elementsPerWord(multiplied(c));
  // The input may be anything behind a pixel's channels, and NaN times the weights' zeros is NaN.
  const bool padded = c.element == Element::kBFloat16 && s.ci % wordElements;
  const bool merged = mergesColumns(s, c);
  p.copy = bordered || c.copyInput || p.in.channel != 1 || padded || copyBytes != bytes ||
           (merged && p.in.pixel != s.ci);
  if (padded) p.padding = roundUp(s.ci, wordElements) - s.ci;
  const int64_t copiedChannels = s.groups == 1 ? s.ci : 0;  // grouped: after the chunk is known

  const int64_t rows = p.flat ? p.outW : p.outH;
  const int64_t rowBytes = bytes * (p.flat ? s.ci : s.w * s.ci * s.sh);
  const int64_t cacheRows = std::max<int64_t>(p.flat     ? 6 * c.pixels
                                              : s.kh > 1 ? 4
                                                         : 1,
                                              caches.l2 / 2 / std::max<int64_t>(1, rowBytes));
  const int64_t weightBytes = bytes * s.co * p.groupCi * s.kh * s.kw;
  UnitSizes sizes;
  sizes.images = p.flat ? 1 : s.n;
  sizes.rows = rows;
  sizes.unitsPerThread = kUnitsPerThread;
  sizes.rowGrain = p.flat ? c.pixels : 1;
  sizes.leastRows = p.flat ? 6 * c.pixels : divideUp(4 * c.pixels, p.outW);
  sizes.cacheRows = cacheRows;
  sizes.byChannels = weightsDominate(weightBytes, rowBytes * rows, caches);
  p.units = cutAsConfigured(p, sizes, threads, p.flat ? c.stripPixels : c.stripPixels / p.outW);
  const int64_t strip = mostRows(p.units);

  int64_t channels = copiedChannels;
  if (s.groups > 1) {
    const int64_t groupsOfChunk =
        std::min(s.groups, divideUp(mostBlocks(p.units) - 1, p.blocksPerGroup) + 1);
    channels = groupsOfChunk * p.groupCi;
  }
  p.scratchFloats = kTileFloats;
  if (p.copy) {
    p.copyPixel = merged ? s.ci : roundUp(channels, wordElements);
    // Pixels a multiple of 2 KiB apart fall into a few sets of the first-level cache.
    if (!merged && p.copyPixel * copyBytes * s.sw % 2048 == 0) p.copyPixel += 64 / copyBytes;
    p.copyColumns = p.flat ? strip : (p.outW - 1) * s.sw + (s.kw - 1) * s.dw + 1;
    p.copyRow = p.copyColumns * p.copyPixel;
    const int64_t copyRows = p.flat ? 1 : (strip - 1) * s.sh + (s.kh - 1) * s.dh + 1;
    p.scratchFloats += divideUp(copyRows * p.copyRow * copyBytes, 4) + 32;
  }
  // Pixels without gaps are a run, too.
  const int64_t pixel = p.copy ? p.copyPixel : p.in.pixel;
  if (s.groups == 1 && s.dw == 1 && pixel == p.depth * wordElements) {
    p.depth *= p.kernelColumns;
    p.kernelColumns = 1;
  }
  if (c.method == ConvMethod::kMatched) {
    p.wordOffsets = roundUp(p.scratchFloats, 2);
    p.scratchFloats = p.wordOffsets + 2 * s.kh * p.kernelColumns * p.depth;
  }
}

void bindWinograd(ConvPlan& p, int threads, const CacheSizes& caches) {
  const ConvShape& s = p.shape;
  const ConvConfig& c = p.config;
  const int64_t output = winogradOutput(c.method);
  const int64_t elements = (output + 2) * (output + 2);
  const int64_t block = c.width * c.vectors;
  p.tilesH = divideUp(p.outH, output);
  p.tilesW = divideUp(p.outW, output);
  p.blocksPerGroup = p.blockCount = divideUp(s.co, block);
  p.rowFloats = roundUp(p.depth, c.width);
  if (p.rowFloats % 256 == 0) p.rowFloats += 16;

  const int64_t rows = s.n * p.tilesH * p.tilesW;
  const int64_t rowBytes = 4 * elements * (p.rowFloats + block);
  const int64_t weightBytes = 4 * s.co * p.depth * elements;
  const int64_t cacheRows =
      std::max<int64_t>(c.pixels, caches.l2 * 3 / 4 / rowBytes / c.pixels * c.pixels);
  UnitSizes sizes;
  sizes.rows = rows;
  sizes.unitsPerThread = 1;  // each unit reads the weights of all points once more
  sizes.leastRows = c.pixels;
  sizes.cacheRows = cacheRows;
  sizes.byChannels = weightsDominate(weightBytes, 4 * p.depth * s.h * s.w * s.n, caches);
  p.units = cutAsConfigured(p, sizes, threads, c.stripPixels);
  const int64_t strip = mostRows(p.units);
  p.elementFloats = strip * p.rowFloats + 16;
  p.scratchFloats = elements * (p.elementFloats + strip * block) + 64;
  if (c.element != Element::kFloat32) p.scratchFloats += kTileFloats;
}

// Grouped and depthwise kernels have blocks of channels that span groups and take borders by
// skipping taps, without a copy.
void bindChannelwise(ConvPlan& p, int threads, const CacheSizes& caches) {
  const ConvShape& s = p.shape;
  const int64_t block = p.config.width * p.config.vectors;
  p.blocksPerGroup = p.blockCount = divideUp(s.co, block);
  const int64_t rowBytes = elementBytes(p.config.element) * s.w * s.sh * s.ci;
  UnitSizes sizes;
  sizes.images = s.n;
  sizes.rows = p.outH;
  sizes.unitsPerThread = kUnitsPerThread;
  sizes.leastRows = divideUp(4, s.sh);
  sizes.cacheRows = caches.l2 / 2 / rowBytes;
  p.units = cutAsConfigured(p, sizes, threads, p.config.stripPixels / p.outW);
  p.scratchFloats = kTileFloats + 32;  // and a vector of border, and place for another
}

}  // namespace

View channelsLast(int64_t h, int64_t w, int64_t c) {
  return {h * w * c, w * c, c, 1};
}
View channelsFirst(int64_t h, int64_t w, int64_t c) {
  return {h * w * c, w, 1, h * w};
}

const char* convMethodName(ConvMethod method) {
  switch (method) {
    case ConvMethod::kGrouped:
      return "grouped";
    case ConvMethod::kDepthwise:
      return "depthwise";
    case ConvMethod::kWinograd2:
      return "winograd2";
    case ConvMethod::kWinograd4:
      return "winograd4";
    case ConvMethod::kWide:
      return "wide";
    case ConvMethod::kMatched:
      return "matched";
    case ConvMethod::kDirect:
      break;
  }
  return "direct";
}

ConvPlan bindConv(const ConvShape& shape, const ConvConfig& config, const View& in, const View& out,
                  const View& residual, const Epilogue& epilogue, int threads,
                  const CacheSizes& caches, const Conversion& conversion) {
  if (!convSupports(shape, config)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[cpu convolution] {} has no kernel for this shape and configuration",
                            convMethodName(config.method)));
  }
  if (!isDirect(config.method) && (in.channel != 1 || out.channel != 1)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[cpu convolution] {} reads and writes channels-last tensors only",
                            convMethodName(config.method)));
  }
  if (epilogue.residual != ResidualPlace::kNone && residual.channel != 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "[cpu convolution] the residual must be a channels-last tensor");
  }
  ConvPlan p;
  p.shape = shape;
  p.config = config;
  p.epilogue = epilogue;
  p.conversion = conversion;
  p.in = in;
  p.out = out;
  p.residual = residual;
  p.outH = shape.outH();
  p.outW = shape.outW();
  p.groupCi = shape.ci / shape.groups;
  p.groupCo = shape.co / shape.groups;
  p.groupLanes = roundUp(p.groupCo, config.width);
  const ConvShape merged = mergedShape(shape, config);
  p.kernelColumns = merged.kw;
  p.depth = depthWords(merged, multiplied(config));
  p.blockRows = headerRows(config.element) + packedRows(shape, config);
  if (isDirect(config.method)) {
    bindDirect(p, threads, caches);
  } else if (winogradOutput(config.method)) {
    bindWinograd(p, threads, caches);
  } else {
    bindChannelwise(p, threads, caches);
  }
  p.tiles = unitCount(p.units);
  return p;
}

}  // namespace layerwise::cpu
