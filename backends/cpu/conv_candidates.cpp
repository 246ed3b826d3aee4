#include <algorithm>

#include "backends/cpu/conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernel_table.h"

namespace layerwise::cpu {
namespace {

// Cycles of one step in k for a row of `columns` pixels and all channels of a group, on a core with
// two FMA pipes of latency four and two loads a cycle; among equals, the fewer loads.
double stepCycles(const ConvConfig& c, int64_t rows, int64_t columns, int64_t channels,
                  int64_t depth) {
  // Panels of weights beyond a part of the second-level cache come from farther than the input
  // does.
  const bool farWeights = depth * c.width * c.vectors > 32 * 1024;
  const auto tile = [&](int64_t pixels, int64_t vectors) {
    const double loads = static_cast<double>(pixels + vectors);
    const double tieBreak = static_cast<double>(pixels + (farWeights ? 2 : 1) * vectors);
    return std::max({0.5 * pixels * vectors, 0.5 * loads, 4.5}) + 0.02 * tieBreak;
  };
  const int64_t height = c.twoRows ? 2 : 1, most = c.pixels / height;
  // A row's pieces are as long as each other, or one pixel longer.
  const int64_t pieces = std::max<int64_t>(1, divideUp(columns, most));
  const int64_t length = columns / pieces, longer = columns % pieces;
  const auto block = [&](int64_t vectors) {
    const int64_t pairs = height == 2 && vectors > 1 ? rows / 2 : 0;
    const auto piece = [&](int64_t pixels) {
      return pairs * tile(2 * pixels, vectors) + (rows - 2 * pairs) * tile(pixels, vectors);
    };
    return longer * piece(length + 1) + (pieces - longer) * piece(length);
  };
  const int64_t lanes = c.width * c.vectors, rest = channels % lanes;
  double cycles = channels / lanes * block(c.vectors);
  if (rest) cycles += block(divideUp(rest, c.width));
  return cycles;
}

std::vector<ConvConfig> directCandidates(const ConvShape& s, Element element, int width,
                                         int registers, ConvMethod method = ConvMethod::kDirect) {
  struct Rated {
    double cycles;
    ConvConfig config;
  };
  const bool flat =
      s.kh == 1 && s.kw == 1 && s.sh == 1 && s.sw == 1 && s.pt + s.pl + s.pb + s.pr == 0;
  const int64_t rows = flat ? 1 : s.outH(), columns = flat ? s.n * s.h * s.w : s.outW();
  ConvConfig basic;
  basic.method = method;
  basic.element = element;
  const int64_t depth = kernelWords(s, basic);
  std::vector<Rated> rated;
  for (int vectors = 1; vectors <= kMaxVectors; ++vectors) {
    ConvConfig c = basic;
    c.width = static_cast<uint8_t>(width);
    c.vectors = static_cast<uint8_t>(vectors);
    c.pixels = static_cast<uint8_t>(maxPixels(registers, vectors));
    if (vectors > 1 && (vectors - 1) * width >= s.co / s.groups) break;
    if (!convSupports(s, c)) break;
    if (c.pixels * vectors < 9) break;  // too few chains of additions to fill two pipes
    rated.push_back({stepCycles(c, rows, columns, s.co / s.groups, depth), c});
    c.pixels &= ~1;
    c.twoRows = true;
    if (convSupports(s, c) && rows > 1 && columns <= c.pixels / 2) {
      rated.push_back({stepCycles(c, rows, columns, s.co / s.groups, depth), c});
    }
  }
  std::stable_sort(rated.begin(), rated.end(),
                   [](const Rated& a, const Rated& b) { return a.cycles < b.cycles; });
  std::vector<ConvConfig> result;
  if (rated.empty()) return result;
  for (const Rated& r : rated) {
    if (r.cycles <= 1.25 * rated.front().cycles && result.size() < 3) result.push_back(r.config);
  }
  if (multiplied(basic) != element) return result;  // a copy of its own layout
  // Unpadded pixels a multiple of 4 KiB apart share a set of the first-level cache.
  ConvConfig copied = result.front();
  copied.copyInput = true;
  const int64_t pixelBytes = s.ci * elementBytes(element);
  if (flat && pixelBytes % 4096 == 0) {
    result.insert(result.begin(), copied);
  } else if (flat && pixelBytes % 2048 == 0) {
    result.push_back(copied);
  }
  return result;
}

// Transformed, the weights of bytes are 32 / 9 or 8 times as many. Beyond this they come from
// memory at every run, which costs more than the products they save; timing one layer does not show
// it. Vectors of 512 bits have an instruction for bytes, and little to save on them.
int64_t mostWinogradBytes(int width) {
  return (width == 16 ? 4 : 6) << 20;
}

// Adds Winograd's to the direct candidates.
void addWinograd(const ConvShape& s, int registers, std::vector<ConvConfig>& candidates) {
  ConvConfig c;
  c.element = candidates.front().element;
  c.width = candidates.front().width;
  c.vectors = candidates.front().vectors;
  c.pixels = static_cast<uint8_t>(maxPixels(registers, c.vectors));
  for (ConvMethod method : {ConvMethod::kWinograd4, ConvMethod::kWinograd2}) {
    c.method = method;
    if (!convSupports(s, c) || s.ci < 16 || s.co < 16) continue;
    const int64_t bytes = 4 * s.co * packedRows(s, c);
    if (c.element == Element::kUInt8 && bytes > mostWinogradBytes(c.width)) continue;
    candidates.push_back(c);
  }
}

}  // namespace

bool convSupports(const ConvShape& s, const ConvConfig& c) {
  const int registers = c.width == 16 ? 32 : 16;
  if (c.width != 8 && c.width != 16) return false;
  if (isReducedDepthwise(c)) {
    return s.ci == s.groups && s.co == s.groups && c.vectors == elementsPerWord(c.element);
  }
  if (c.vectors < 1 || c.vectors > kMaxVectors || c.pixels < 1) return false;
  if (c.pixels > maxPixels(registers, c.vectors)) return false;
  const int64_t groupCi = s.ci / s.groups, groupCo = s.co / s.groups;
  if (c.element == Element::kBFloat16 && c.method != ConvMethod::kDirect) return false;
  if (c.element == Element::kUInt8 && !isDirect(c.method) && multiplied(c) == Element::kUInt8)
    return false;
  // Half a word would be the next group's, whose NaN the zero weights do not hide.
  if (c.element == Element::kBFloat16 && s.groups > 1 && groupCi % 2) return false;
  switch (c.method) {
    case ConvMethod::kMatched:
      return c.element == Element::kUInt8 && !c.twoRows && c.width == 8 &&
             c.vectors <= kMaxMatchedVectors && kernelWords(s, c) <= kMostMatchedWords;
    case ConvMethod::kWide:
      if (c.element != Element::kUInt8) return false;
      [[fallthrough]];
    case ConvMethod::kDirect:
      return !c.twoRows || (c.vectors > 1 && c.pixels >= 4 && c.pixels % 2 == 0);
    case ConvMethod::kGrouped:
      return c.vectors == 1 && groupCi == groupCo && groupCi < c.width &&
             (groupCi == 2 || groupCi == 4 || groupCi == 8);
    case ConvMethod::kDepthwise:
      return c.vectors == 1 && groupCi == 1 && groupCo == 1;
    case ConvMethod::kWinograd2:
    case ConvMethod::kWinograd4:
      return !c.twoRows && isWinogradShape(s);
  }
  return false;
}

std::vector<ConvConfig> convCandidates(const ConvShape& s, Isa isa) {
  const KernelTable& table = kernels(isa);
  std::vector<ConvConfig> result;
  ConvConfig special;
  special.width = static_cast<uint8_t>(table.width);
  special.vectors = 1;
  special.pixels = 8;
  for (ConvMethod method : {ConvMethod::kDepthwise, ConvMethod::kGrouped}) {
    special.method = method;
    if (convSupports(s, special)) return {special};
  }
  result = directCandidates(s, Element::kFloat32, table.width, table.registers);
  addWinograd(s, table.registers, result);
  return result;
}

std::vector<ConvConfig> typedConvCandidates(const ConvShape& s, Element element, int width,
                                            int registers) {
  ConvConfig depthwise;
  depthwise.element = element;
  depthwise.method = ConvMethod::kDepthwise;
  depthwise.width = static_cast<uint8_t>(width);
  depthwise.vectors = static_cast<uint8_t>(elementsPerWord(element));
  if (convSupports(s, depthwise)) return {depthwise};
  ConvConfig direct;
  direct.element = element;
  direct.vectors = direct.pixels = 1;
  if (!convSupports(s, direct)) return {};
  std::vector<ConvConfig> result = directCandidates(s, element, width, registers);
  if (element == Element::kUInt8) {
    for (const ConvConfig& c : directCandidates(s, element, width, registers, ConvMethod::kWide)) {
      result.push_back(c);
    }
    // Two registers more wait for their sum. A few pixels wait for the weights.
    if (s.n * s.outH() * s.outW() >= 8) {
      for (const ConvConfig& c :
           directCandidates(s, element, width, registers - 2, ConvMethod::kMatched)) {
        result.push_back(c);
      }
    }
    addWinograd(s, registers, result);
  }
  return result;
}

}  // namespace layerwise::cpu
