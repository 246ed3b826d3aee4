#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"
#include "backends/cpu/divide_up.h"

// Internal linkage: units of every instruction set include this.
namespace layerwise::cpu {
namespace {

// The most pixels whose accumulators, together with the weights and one broadcast, fit the
// registers.
constexpr int maxPixels(int registers, int vectors) {
  const int fit = (registers - vectors - 1) / vectors;
  return fit < kMaxPixels ? fit : kMaxPixels;
}

// A Winograd kernel computes F(m x m, 3x3) on patches of (m + 2) x (m + 2) points; 0 for other
// methods.
constexpr int64_t winogradOutput(ConvMethod method) {
  return method == ConvMethod::kWinograd4 ? 4 : method == ConvMethod::kWinograd2 ? 2 : 0;
}

// Of kMatched. The more channels a block has, the fewer of its words match.
constexpr int kMaxMatchedVectors = 2;
constexpr int64_t kMostMatchedWords = 8192;

// Any shape, pixel by pixel.
constexpr bool isDirect(ConvMethod method) {
  return method == ConvMethod::kDirect || method == ConvMethod::kWide ||
         method == ConvMethod::kMatched;
}

constexpr bool isWinogradShape(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3 && s.sh == 1 && s.sw == 1 && s.dh == 1 && s.dw == 1 &&
         s.groups == 1;
}

template <Element>
struct ElementType {
  using Type = float;
};
template <>
struct ElementType<Element::kBFloat16> {
  using Type = uint16_t;
};
template <>
struct ElementType<Element::kUInt8> {
  using Type = uint8_t;
};

constexpr int64_t elementsPerWord(Element e) {
  return 4 / elementBytes(e);
}

// What the microkernel multiplies: not always what the input holds.
constexpr Element multiplied(const ConvConfig& c) {
  const bool widened = c.method == ConvMethod::kWide || winogradOutput(c.method);
  return c.element == Element::kUInt8 && widened ? Element::kInt16 : c.element;
}

// Words of a group's channels of one pixel.
constexpr int64_t depthWords(const ConvShape& s, Element element) {
  return divideUp(s.ci / s.groups, elementsPerWord(element));
}

// Bytes of pixels that do not fill their words: a row of the kernel is one run of elements, and
// only its last word has a gap. BytePairs::Order::kRows says which of them are pairs.
constexpr bool mergesColumns(const ConvShape& s, const ConvConfig& c) {
  return c.element == Element::kUInt8 && isDirect(c.method) && s.groups == 1 && s.dw == 1 &&
         s.kw > 1 && s.ci % elementsPerWord(multiplied(c));
}

// What is multiplied: such a run is one column of as many channels.
constexpr ConvShape mergedShape(ConvShape s, const ConvConfig& c) {
  if (!mergesColumns(s, c)) return s;
  s.ci *= s.kw;
  s.kw = 1;
  return s;
}

// Words of a kernel that makes one output channel.
constexpr int64_t kernelWords(const ConvShape& s, const ConvConfig& c) {
  return s.kh * mergedShape(s, c).kw * depthWords(mergedShape(s, c), multiplied(c));
}

// Rows of a packed block before its weights: the bias; of bytes scale, bias and the sum's start.
constexpr int64_t headerRows(Element element) {
  return element == Element::kUInt8 ? 3 : 1;
}

// Depthwise, a block of a reduced type has as many channels as a vector has elements.
constexpr bool isReducedDepthwise(const ConvConfig& c) {
  return c.method == ConvMethod::kDepthwise && c.element != Element::kFloat32;
}

// Depthwise, a word of bytes holds taps of a channel: neighbouring ones, or, where the kernel has
// three rows, those of a column in this order; the last place is empty.
constexpr int64_t kRowsOfWord[4] = {0, 2, 1, 3};
struct DepthwiseTap {
  bool exists;
  int64_t ky, kx;
};
constexpr int64_t depthwiseWords(const ConvShape& s) {
  return s.kh == 3 ? s.kw : divideUp(s.kh * s.kw, 4);
}
constexpr DepthwiseTap depthwiseTap(const ConvShape& s, int64_t word, int64_t place) {
  if (s.kh == 3) return {kRowsOfWord[place] < 3, kRowsOfWord[place], word};
  const int64_t tap = 4 * word + place;
  return {tap < s.kh * s.kw, tap / s.kw, tap % s.kw};
}

constexpr bool isThreeByThree(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3;
}
// Whether other words follow for a second row of results.
constexpr bool hasSecondRow(const ConvShape& s) {
  return isThreeByThree(s) && s.sh == 1;
}

// Depthwise, as many times the channels of a block of bytes are in its vectors.
constexpr int64_t depthwiseParts(int64_t width, int64_t channels) {
  int64_t parts = 1;
  while (parts < width / 4 && 2 * parts * channels <= 4 * width) parts *= 2;
  return parts;
}

// Rows of weights in a packed block. Depthwise, bfloat16 is multiplied as float32.
constexpr int64_t packedRows(const ConvShape& s, const ConvConfig& c) {
  if (isReducedDepthwise(c)) {
    if (c.element == Element::kBFloat16) return s.kh * s.kw;
    return depthwiseWords(s) * (hasSecondRow(s) ? 2 : 1);
  }
  const int64_t output = winogradOutput(c.method);
  // Weights widen on their way to the registers: words of two bytes.
  if (c.method == ConvMethod::kWide) return divideUp(kernelWords(s, c), 2);
  const int64_t rows =
      output ? (output + 2) * (output + 2) * depthWords(s, multiplied(c)) : kernelWords(s, c);
  // The words' numbers in the order of their rows, behind how many are matched: 16 bits each.
  return c.method == ConvMethod::kMatched ? rows + divideUp(rows + 1, 2 * c.width) : rows;
}

}  // namespace
}  // namespace layerwise::cpu
