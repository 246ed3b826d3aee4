#include "backends/opencl/copy_step.h"

#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/shared/node_info.h"

namespace layerwise::opencl {
namespace {

Launch copyLaunch(const Device& device, const CopyPiece& piece, const Nest& nest) {
  ProgramSource source{.file = "copy.cl"};
  defineCopyType(source, piece.to.type);
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
