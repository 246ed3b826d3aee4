#include "backends/opencl/copy_step.h"

#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/shared/node_info.h"

namespace layerwise::opencl {
namespace {

/// How many elements that lie side by side in both operands, from places on that are multiples of
/// so many, may be copied at once.
int sideBySide(const CopyPiece& piece, const Nest& nest) {
  constexpr int kMostBytes = 16;
  const auto size = static_cast<int>(sizeOf(piece.to.type));
  for (int width = kMostBytes / size; width > 1; width /= 2) {
    const auto bytes = static_cast<std::size_t>(width * size);
    bool fits = nest.axes > 0 && nest.count[0] % width == 0 && piece.to.byteOffset % bytes == 0 &&
                piece.from.byteOffset % bytes == 0;
    for (int operand = 0; operand < 2; ++operand)
      for (int axis = 0; axis < nest.axes; ++axis)
        fits = fits &&
               (axis == 0 ? nest.stride[operand][0] == 1 : nest.stride[operand][axis] % width == 0);
    if (fits) return width;
  }
  return 1;
}

Launch copyLaunch(const Device& device, const CopyPiece& piece, Nest nest) {
  ProgramSource source{.file = "copy.cl"};
  const int width = sideBySide(piece, nest);
  source.define("WIDTH", width);
  if (width == 1) {
    defineCopyType(source, piece.to.type);
  } else {
    const int bytes = width * static_cast<int>(sizeOf(piece.to.type));
    source.define("T0", bytes == 16  ? "uint4"
                        : bytes == 8 ? "uint2"
                        : bytes == 4 ? "uint"
                                     : "ushort");
    nest.total /= width, nest.count[0] /= width;
    for (int axis = 1; axis < nest.axes; ++axis)
      for (int operand = 0; operand < 2; ++operand) nest.stride[operand][axis] /= width;
  }
  std::vector<Argument> arguments = {Argument::view(piece.to)};
  if (piece.constant) {
    arguments.push_back(Argument::memory(*piece.constant));
    arguments.push_back(
        Argument::value(static_cast<cl_ulong>(piece.from.byteOffset / sizeOf(piece.from.type))));
  } else {
    arguments.push_back(Argument::view(piece.from));
  }
  arguments.push_back(Argument::value(nest));
  return launchOver(nest.total, device.program(source), "copy", std::move(arguments));
}

}  // namespace

std::unique_ptr<Step> bindCopies(const Device& device, const std::vector<CopyPiece>& pieces) {
  std::vector<Launch> launches;
  for (const CopyPiece& piece : pieces) {
    if (!piece.constant && liesInPlace(piece.to, piece.from)) continue;
    Nest nest =
        simplifiedNest<2>(loopsOver<2>(piece.to.dims, {piece.to.strides, piece.from.strides}));
    if (nest.total > 0) launches.push_back(copyLaunch(device, piece, nest));
  }
  return std::make_unique<ClStep>(std::move(launches));
}

std::unique_ptr<Step> bindCopy(const Device& device, const BufferView& to, const BufferView& from,
                               std::vector<Loop<2>> loops) {
  Nest nest = simplifiedNest<2>(std::move(loops));
  std::vector<Launch> launches;
  if (nest.total > 0) launches.push_back(copyLaunch(device, {to, from}, nest));
  return std::make_unique<ClStep>(std::move(launches));
}

}  // namespace layerwise::opencl
