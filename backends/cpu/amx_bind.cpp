#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "backends/cpu/amx_geometry.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

bool isPointwise(const ConvShape& s) {
  return s.kh == 1 && s.kw == 1 && s.sh == 1 && s.sw == 1 && s.pt == 0 && s.pl == 0 && s.pb == 0 &&
         s.pr == 0;
}

// Whether the pixels of all images are one sequence.
bool isDense(const ConvShape& s, const View& v) {
  return (s.h == 1 || v.row == s.w * v.pixel) && (s.n == 1 || v.image == s.h * s.w * v.pixel);
}

// Of a strip: fewer positions would not repay what each unit of work begins with.
constexpr int64_t kLeastPositions = 4 * kTileRows;

// Where the columns and rows of a phase's picture end.
int64_t phaseColumns(const ConvShape& s) {
  return s.outW() + (s.kw - 1) * s.dw / s.sw;
}

// Offsets modulo the stride that taps have. With dilation some of them may have none.
int64_t phasesOf(int64_t kernel, int64_t stride, int64_t dilation) {
  return dilation == 1 ? std::min(kernel, stride) : stride;
}

// What units of work are cut by.
struct CutSizes {
  int64_t stripBytes;  ///< of input, in a strip of rows
  CacheSizes caches;
  int threads;
};

// Units of work: strips of rows that fit `stripBytes` and, where there are several workers, some
// units for each, or one where a unit copies what it reads. Rows are cut where the weights are
// small, output channels elsewhere: then a worker reads inputs that another core has just written.
UnitSizes sizesOf(const AmxPlan& p, int64_t images, int64_t rows, int64_t rowPositions,
                  int64_t rowBytes, const CutSizes& cut) {
  const int64_t leastRows = std::min(rows, divideUp(kLeastPositions, rowPositions));
  const int64_t fitting = cut.stripBytes / std::max<int64_t>(1, rowBytes);
  UnitSizes sizes;
  sizes.images = images;
  sizes.rows = rows;
  sizes.leastRows = leastRows;
  sizes.cacheRows = std::clamp<int64_t>(fitting, leastRows, rows);
  sizes.blocks = p.blockCount;
  sizes.blockGrain = 2;
  sizes.threads = cut.threads;
  const int64_t inputBytes = (p.config.method == AmxMethod::kFlat ? 1 : 2) * rowBytes * rows;
  sizes.byChannels = weightsDominate(p.blockCount * p.blockBytes, inputBytes, cut.caches);
  return sizes;
}

void cutUnits(AmxPlan& p, const UnitSizes& sizes) {
  p.units = cutIntoUnits(sizes);
  if (p.config.blocks) {
    p.units.blockGrain = 1;
    p.units.chunks = divideUp(p.blockCount, p.config.blocks);
  }
  p.strip = mostRows(p.units);
  if (!p.pooled) return;
  const int64_t shared = p.pool.kh - p.pool.sh;  // rows of two windows, one above the other
  p.pooledStrip = std::clamp<int64_t>((p.strip - shared) / p.pool.sh, 1, p.pool.outH);
  p.strip = std::min(sizes.rows, p.pooledStrip * p.pool.sh + shared);
}

void bindPhases(AmxConvolution& bound, const AmxRuns& runs, const CutSizes& cut) {
  AmxPlan& p = bound.plan;
  const ConvShape& s = p.shape;
  const bool planes = p.config.method == AmxMethod::kPlanes;
  const bool rowsOnly = planes || p.config.method == AmxMethod::kRows || runs.inPlace;
  p.position = rowsOnly ? runs.position : std::min(runs.position, kRowBytes);
  p.planes = rowsOnly ? 1 : runs.stepsPerRun;
  p.rowPositions = rowsOnly && !planes ? p.outW : phaseColumns(s);
  p.phasesH = planes && runs.rows % s.sh == 0 ? 1 : phasesOf(s.kh, s.sh, s.dh);
  p.phasesW = rowsOnly ? 1 : phasesOf(s.kw, s.sw, s.dw);
  const int64_t phases = p.phasesH * p.phasesW;
  cutUnits(p, sizesOf(p, s.n, p.outH, p.rowPositions,
                      p.rowPositions * p.position * p.planes * phases, cut));
  p.phaseRows = p.strip + (s.kh - 1) * s.dh / s.sh;
  // An odd number of lines: planes do not meet in the same sets of a cache. Columns may be written
  // up to a line beyond the picture's end, or as many at once as a vector has floats.
  const int64_t beyond = planes ? std::max(kRowBytes, kRowBytes * runs.columnWords) : 0;
  const int64_t pictureBytes = p.phaseRows * p.rowPositions * p.position + beyond;
  p.planeBytes = (divideUp(pictureBytes, kRowBytes) | 1) * kRowBytes;
  p.phaseBytes = p.planes * p.planeBytes;
  bound.offsets.resize(static_cast<size_t>(p.steps));
  for (int64_t run = 0; run < runs.count; ++run) {
    const int64_t tap = planes ? run * runs.rows * s.kw : run * runs.taps;
    const int64_t y = tap / s.kw * s.dh, x = tap % s.kw * s.dw;
    const int64_t phase = y % s.sh * p.phasesW + x % s.sw;
    for (int64_t i = 0; i < runs.stepsPerRun; ++i) {
      bound.offsets[static_cast<size_t>(runs.step(run, i))] =
          phase * p.phaseBytes + (y / s.sh * p.rowPositions + x / s.sw) * p.position +
          i * (rowsOnly ? runs.stepBytes : p.planeBytes);
    }
  }
  p.scratchBytes = kAmxStoreBytes + phases * p.phaseBytes + kTileRows * p.position + 2 * kRowBytes;
  if (!planes) return;
  p.columnRows = runs.rows;
  p.columnBytes = runs.columnBytes;
  p.columnWords = runs.columnWords;
  if (p.columnWords > 0) return;
  const int64_t bytes = elementBytes(p.config.element);
  const int64_t columns = std::max((p.outW - 1) * s.sw + s.kw, s.pl + s.w);
  const auto line = [&](int64_t column) {
    return roundUp(columns * column, kRowBytes) + kRowBytes;
  };
  p.lineBytes = line(bytes);
  p.packedLineBytes = runs.rows > 1 ? line(s.ci * bytes) : 0;
  p.linesAt = roundUp(p.scratchBytes, kRowBytes);
  p.scratchBytes = p.linesAt + s.ci * p.lineBytes + p.columnRows * p.packedLineBytes;
}

void bindGather(AmxConvolution& bound, const AmxRuns& runs, const CutSizes& cut) {
  AmxPlan& p = bound.plan;
  p.position = runs.position;
  p.rowPositions = p.outW;
  cutUnits(p, sizesOf(p, p.shape.n, p.outH, p.outW, p.outW * p.position, cut));
  for (int64_t i = 0; i < p.steps; ++i) bound.offsets.push_back(i * runs.stepBytes);
  p.scratchBytes =
      kAmxStoreBytes + roundUp(p.strip * p.outW, kTileRows) * p.position + 2 * kRowBytes;
}

void bindFlat(AmxConvolution& bound, const AmxRuns& runs, const CutSizes& cut) {
  AmxPlan& p = bound.plan;
  const ConvShape& s = p.shape;
  p.outH = 1;
  p.outW = p.rowPositions = s.n * s.h * s.w;
  p.position = p.in.pixel * elementBytes(p.config.element);
  UnitSizes sizes = sizesOf(p, 1, p.outW, 1, s.ci * elementBytes(p.config.element), cut);
  sizes.rowGrain = 2 * kTileRows;
  sizes.unitsPerThread = 4;
  cutUnits(p, sizes);
  for (int64_t i = 0; i < p.steps; ++i) bound.offsets.push_back(i * runs.stepBytes);
  p.scratchBytes = kAmxStoreBytes;
}

// Units of pooled rows, one a worker: neighbours compute the rows that windows of both read.
void bindPooling(AmxPlan& p, int threads) {
  UnitSizes sizes;
  sizes.images = p.shape.n;
  sizes.rows = sizes.cacheRows = p.pool.outH;
  sizes.blocks = sizes.blockGrain = p.blockCount;
  sizes.threads = threads;
  p.units = cutIntoUnits(sizes);
  p.rowsAt = roundUp(p.scratchBytes, kRowBytes);
  p.scratchBytes = p.rowsAt + p.strip * p.out.row * elementBytes(p.config.element) + kRowBytes;
}

// What the first-level cache keeps while a unit's blocks follow one another. With several output
// channels of some positions first it is the rows that those positions read, and whole pixels are
// written at a time; the weights come from the second-level cache again and again, so as many
// channels are taken as fit there. A stream that is not read again before it is pushed out must not
// push out the rest.
void orderBlocks(AmxPlan& p, const CacheSizes& caches) {
  const int64_t chunk = mostBlocks(p.units), weights = chunk * p.blockBytes;
  constexpr int64_t kLeastBlocks = 4;  // as many as one position's tile may meet at once
  const int64_t fitting = caches.l2 / 4 / (2 * p.blockBytes) * 2;
  p.group = weights <= caches.l2 / 2 ? chunk : std::min(chunk, std::max(kLeastBlocks, fitting));
  const int64_t rowPositions = p.config.method == AmxMethod::kFlat ? 1 : p.rowPositions;
  const bool once = p.strip * rowPositions <= kAccumulators * kTileRows;
  p.streamed = once || p.group * p.blockBytes > caches.l1 * 3 / 4;
}

}  // namespace

const char* amxMethodName(AmxMethod method) {
  switch (method) {
    case AmxMethod::kFlat:
      return "flat";
    case AmxMethod::kRows:
      return "rows";
    case AmxMethod::kGather:
      return "gather";
    case AmxMethod::kPlanes:
      return "planes";
    case AmxMethod::kPhases:
      break;
  }
  return "phases";
}

bool amxSupports(const ConvShape& s, const AmxConfig& c) {
  if (s.groups != 1 || c.element == Element::kFloat32) return false;
  if (c.companded && (c.element != Element::kBFloat16 || c.method > AmxMethod::kPhases ||
                      amxRuns(s, c).stepBytes != kRowBytes)) {
    return false;
  }
  if (c.method == AmxMethod::kPlanes) {
    return s.dh == 1 && s.dw == 1 && s.sh <= kMostStride &&
           s.kw * s.ci * elementBytes(c.element) <= kRowBytes && amxRuns(s, c).bytes <= kRowBytes;
  }
  return c.method != AmxMethod::kFlat || isPointwise(s);
}

double amxCycles(const ConvShape& s, const AmxConfig& c) {
  const AmxRuns runs = amxRuns(s, c);
  const int64_t pixelBytes = s.ci * elementBytes(c.element), kernelRow = s.kw * pixelBytes;
  const int64_t outW =
      c.method == AmxMethod::kPhases || c.method == AmxMethod::kPlanes ? phaseColumns(s) : s.outW();
  const int64_t positions = s.n * s.outH() * outW;
  // Lines copied, two instructions each and some around them.
  const auto lines = [](int64_t bytes) { return 2 + 2 * divideUp(bytes, kRowBytes); };
  const int64_t phases = phasesOf(s.kh, s.sh, s.dh);
  int64_t copied = 0;
  switch (c.method) {
    case AmxMethod::kFlat:
      if (!runs.inPlace) copied = lines(pixelBytes);
      break;
    case AmxMethod::kPhases:
      copied = phases * phasesOf(s.kw, s.sw, s.dw) * lines(pixelBytes);
      break;
    case AmxMethod::kRows:
      copied = phases * (2 + lines(kernelRow));
      break;
    case AmxMethod::kGather:
      copied = s.kh * (2 + 2 * lines(kernelRow));
      break;
    case AmxMethod::kPlanes:
      copied = (runs.rows % s.sh == 0 ? 1 : phases) * (runs.rows > 1 ? 2 : 1);
      break;
  }
  const int64_t blocks = divideUp(positions, kTileRows) * divideUp(s.co, kBlockChannels);
  constexpr int64_t kProductCycles = 20, kBlockCycles = 100;
  return static_cast<double>(positions * copied +
                             blocks *
                                 (runs.count * runs.stepsPerRun * kProductCycles + kBlockCycles));
}

std::vector<AmxConfig> amxCandidates(const ConvShape& s, Element element) {
  struct Rated {
    double cycles;
    AmxConfig config;
  };
  std::vector<Rated> rated;
  // Rows that are several lines apart meet in few sets of the first-level cache: with more channels
  // than these, tiles of them load at two thirds to a quarter of the rate of kPhases.
  constexpr int64_t kFewBytes = 32;
  const bool few = s.ci * elementBytes(element) < kFewBytes;
  for (AmxMethod method : kAmxMethods) {
    if (method == AmxMethod::kPlanes) continue;
    if (method > AmxMethod::kPhases && !few) continue;
    AmxConfig c;
    c.method = method;
    c.element = element;
    if (!amxSupports(s, c)) continue;
    if (isPointwise(s) && method > AmxMethod::kPhases) continue;  // the same again
    rated.push_back({amxCycles(s, c), c});
  }
  std::stable_sort(rated.begin(), rated.end(),
                   [](const Rated& a, const Rated& b) { return a.cycles < b.cycles; });
  std::vector<AmxConfig> result;
  for (const Rated& r : rated) {
    if (r.cycles <= 1.5 * rated.front().cycles) result.push_back(r.config);
  }
  return result;
}

AmxConvolution bindAmxConv(const ConvShape& shape, const AmxConfig& config,
                           const Conversion& conversion, const View& in, const View& out,
                           const View& residual, const Epilogue& epilogue, int threads,
                           const CacheSizes& caches, const PoolPlan* pool) {
  const bool added = epilogue.residual != ResidualPlace::kNone;
  const bool inputFits = config.method == AmxMethod::kPlanes ? in.pixel == 1 : in.channel == 1;
  if (!amxSupports(shape, config) || !inputFits || out.channel != 1 ||
      (added && residual.channel != 1) ||
      (pool && (pool->kind != PoolKind::kMax || conversion.output != config.element))) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[cpu convolution] no tile kernel {} for this shape and these strides",
                            amxMethodName(config.method)));
  }
  AmxConvolution bound;
  AmxPlan& p = bound.plan;
  p.shape = shape;
  p.config = config;
  p.conversion = conversion;
  p.epilogue = epilogue;
  p.in = in;
  p.out = out;
  p.residual = residual;
  p.pooled = pool != nullptr;
  if (pool) {
    p.pool = *pool;
    p.out = p.pool.in = {0, shape.outW() * shape.co, shape.co, 1};
    p.pool.nonNegative = epilogue.activation == Activation::kClip && epilogue.alpha >= 0 &&
                         epilogue.residual != ResidualPlace::kAfterActivation;
    // max(0, -0) may be -0. What is smaller than all of bfloat16 becomes 0.
    if (p.pool.nonNegative && config.element == Element::kBFloat16) {
      p.epilogue.alpha = std::max(epilogue.alpha, std::numeric_limits<float>::denorm_min());
    }
  }
  p.outH = shape.outH();
  p.outW = shape.outW();
  const AmxRuns runs = amxRuns(shape, config);
  const bool dense =
      isDense(shape, in) && isDense(shape, out) && (!added || isDense(shape, residual));
  if (config.method == AmxMethod::kFlat && (pool || !dense || !runs.inPlace)) {
    p.config.method = AmxMethod::kPhases;
  }
  p.steps = runs.count * runs.stepsPerRun;
  p.stepBytes = runs.stepBytes;
  p.blockCount = divideUp(shape.co, kBlockChannels);
  p.blockBytes = weightBytes(config, p.steps * p.stepBytes * kBlockChannels);
  // A copy of planes is smaller than what it makes of itself.
  const int64_t stripBytes = caches.l2 / (config.method == AmxMethod::kPlanes ? 16 : 4);
  const CutSizes cut{config.stripBytes ? config.stripBytes : stripBytes, caches,
                     pool ? 1 : threads};  // strips are parts of a unit
  switch (p.config.method) {
    case AmxMethod::kFlat:
      bindFlat(bound, runs, cut);
      break;
    case AmxMethod::kPhases:
    case AmxMethod::kRows:
    case AmxMethod::kPlanes:
      bindPhases(bound, runs, cut);
      break;
    case AmxMethod::kGather:
      bindGather(bound, runs, cut);
      break;
  }
  if (pool) bindPooling(p, threads);
  p.tiles = unitCount(p.units);
  if (config.companded) {
    p.expandedAt = roundUp(p.scratchBytes, kRowBytes);
    p.scratchBytes = p.expandedAt + kAmxExpandedBytes;
  }
  orderBlocks(p, caches);
  return bound;
}

}  // namespace layerwise::cpu
