#include "backends/cpu/conv_tactic.h"

#include <fmt/format.h>

#include <cstdio>

#include "layers/spatial.h"
#include "layerwise/error.h"

namespace layerwise::cpu {

std::string configText(const ConvConfig& c) {
  return fmt::format("vectors={} pixels={} rows={} copy={} strip={} blocks={}", c.vectors, c.pixels,
                     c.twoRows ? 2 : 1, c.copyInput ? 1 : 0, c.stripPixels, c.blocks);
}

ConvConfig configFromText(const std::string& text, ConvMethod method, int width) {
  int vectors = 0, pixels = 0, rows = 0, copy = 0;
  long strip = 0, blocks = 0;
  if (std::sscanf(text.c_str(), "vectors=%d pixels=%d rows=%d copy=%d strip=%ld blocks=%ld",
                  &vectors, &pixels, &rows, &copy, &strip, &blocks) != 6)
    throw Error(ErrorCode::kInternal,
                fmt::format("[convolution] parameters '{}' are not understood", text));
  ConvConfig c;
  c.method = method;
  c.width = static_cast<std::uint8_t>(width);
  c.vectors = static_cast<std::uint8_t>(vectors);
  c.pixels = static_cast<std::uint8_t>(pixels);
  c.twoRows = rows == 2;
  c.copyInput = copy != 0;
  c.stripPixels = strip;
  c.blocks = blocks;
  return c;
}

ConvShape convShapeOf(const Convolution& a, const Dims& in) {
  SpatialWindow w = resolveWindow(a, in);
  int x = w.axes - 1;
  ConvShape s;
  s.n = in[0];
  s.ci = in[1];
  s.co = a.outputs;
  s.groups = a.groups;
  s.w = in[x + 2], s.kw = w.kernel[x], s.sw = w.stride[x], s.dw = w.dilation[x],
  s.pl = w.prePadding[x], s.pr = w.postPadding[x];
  if (w.axes == 2)
    s.h = in[2], s.kh = w.kernel[0], s.sh = w.stride[0], s.dh = w.dilation[0],
    s.pt = w.prePadding[0], s.pb = w.postPadding[0];
  return s;
}

ConvShape weightShape(const Convolution& a, std::int64_t kernelElements) {
  ConvShape s;
  s.co = a.outputs;
  s.groups = a.groups;
  s.kw = a.kernel[a.kernel.rank() - 1];
  s.kh = a.kernel.rank() == 2 ? a.kernel[0] : 1;
  s.ci = kernelElements / (s.co * s.kh * s.kw) * a.groups;
  if (a.stride.rank() > 0) s.sw = a.stride[a.stride.rank() - 1];
  if (a.stride.rank() == 2) s.sh = a.stride[0];
  if (a.dilation.rank() > 0) s.dw = a.dilation[a.dilation.rank() - 1];
  if (a.dilation.rank() == 2) s.dh = a.dilation[0];
  // The image is of no account.
  s.h = (s.kh - 1) * s.dh + 1, s.w = (s.kw - 1) * s.dw + 1;
  return s;
}

}  // namespace layerwise::cpu
