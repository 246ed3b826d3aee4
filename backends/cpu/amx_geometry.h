#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/amx_scratch.h"

// How the products of a convolution are cut into rows of at most 64 bytes. Shared by packing and
// binding; not for units compiled for an instruction set.
namespace layerwise::cpu {
namespace {

constexpr int64_t kRowBytes = 64;
constexpr int64_t kBlockChannels = 16;
constexpr int64_t kWordBytes = 4;  // of two bfloat16

// The values that a result sums are runs, one for each tap of the kernel, with kRows one for each
// row of it, with kPlanes for each row or some of them, with kGather a single one: neighbours both
// in the left matrix's rows and in the kernel. A run is cut into rows of 64 bytes, with kFlat into
// equal ones of up to 64; a shorter one is a row by itself.
struct AmxRuns {
  int64_t count = 0, taps = 0;  // runs, and taps in each
  int64_t bytes = 0;            // of a run
  int64_t stepsPerRun = 0, stepBytes = 0;
  int64_t position = 0;  // bytes between neighbouring positions in a copy: whole lines or a part;
                         // kPlanes: what a step to the right is, so that positions share columns
  // kFlat: whether pixels may be read where they are. Rows of bfloat16 must end with their pixel:
  // what follows it would meet weights of zero, but might be a NaN.
  bool inPlace = false;
  // kPlanes: rows of the kernel in a run, column by column, and the bytes of such a column.
  // Products of bfloat16 take two values at once, so that some columns end with a zero.
  int64_t rows = 1, columnBytes = 0;
  // kPlanes: a column's words of two channels. 0: columns are put together from lines.
  int64_t columnWords = 0;

  // The place of row `i` of `run` in the order of the products: neighbouring runs share lines of
  // the input, so the first rows of all runs come before the second ones.
  int64_t step(int64_t run, int64_t i) const { return i * count + run; }
};

// Cuts runs into equal rows of whole words, up to twice as many as they need; whether they can be.
inline bool cutEvenly(AmxRuns& r) {
  for (int64_t steps = r.stepsPerRun; steps <= 2 * r.stepsPerRun; ++steps) {
    if (r.bytes % (4 * steps) != 0) continue;
    r.stepsPerRun = steps;
    r.stepBytes = r.bytes / steps;
    return true;
  }
  return false;
}

inline AmxRuns amxRuns(const ConvShape& s, const AmxConfig& c) {
  AmxRuns r;
  if (c.method == AmxMethod::kPlanes) {
    const int64_t rowBytes = s.kw * s.ci * elementBytes(c.element);
    const int64_t most = std::clamp<int64_t>(kRowBytes / rowBytes, 1, s.kh);
    const bool pairs = c.element == Element::kBFloat16;
    const auto column = [&] {
      const int64_t values = r.rows * s.ci;
      return (values + (pairs && values * s.kw % 2 ? 1 : 0)) * elementBytes(c.element);
    };
    r.rows = divideUp(s.kh, divideUp(s.kh, most));
    // A row beyond the kernel's last meets weights of zero, and NaN times zero is NaN.
    while (pairs && r.rows > 1 && (s.kh % r.rows != 0 || s.kw * column() > kRowBytes)) --r.rows;
    r.count = divideUp(s.kh, r.rows);
    r.columnBytes = column();
    const int64_t words = divideUp(s.ci, 2);
    if (pairs && r.rows == 1 && s.ci <= kMostColumnChannels &&
        s.kw * words * kWordBytes <= kRowBytes) {
      r.columnWords = words;
      r.columnBytes = kWordBytes * words;
    }
    r.bytes = s.kw * r.columnBytes;
    r.stepBytes = roundUp(r.bytes, 4);
    r.stepsPerRun = 1;
    r.position = s.sw * r.columnBytes;
    return r;
  }
  r.taps = c.method == AmxMethod::kGather ? s.kh * s.kw : c.method == AmxMethod::kRows ? s.kw : 1;
  r.count = s.kh * s.kw / r.taps;
  r.bytes = r.taps * s.ci * elementBytes(c.element);
  r.stepsPerRun = divideUp(r.bytes, kRowBytes);
  r.stepBytes = r.stepsPerRun > 1 ? kRowBytes : roundUp(r.bytes, 4);
  if (c.method == AmxMethod::kFlat) {
    r.inPlace = c.element == Element::kUInt8 || cutEvenly(r);
    if (r.inPlace) {
      r.position = r.bytes;
      return r;
    }
  }
  r.position = r.stepsPerRun > 1
                   ? r.stepsPerRun * kRowBytes
                   : static_cast<int64_t>(std::bit_ceil(static_cast<std::uint64_t>(r.stepBytes)));
  return r;
}

// Bytes of weights in a row of a tile, of all output channels of a block.
inline int64_t weightBytes(const AmxConfig& c, int64_t rowBytes) {
  return c.companded ? rowBytes / 2 : rowBytes;
}

}  // namespace
}  // namespace layerwise::cpu
