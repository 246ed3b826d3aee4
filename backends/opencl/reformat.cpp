#include "backends/opencl/reformat.h"

#include <fmt/format.h>

#include "backends/opencl/copy_step.h"
#include "backends/opencl/map_step.h"
#include "layerwise/error.h"

namespace layerwise::opencl {

std::unique_ptr<Step> bindReformat(const Device& device, const BufferView& from,
                                   const BufferView& to) {
  if (from.type == to.type) return bindCopies(device, {{to, from}});
  if (!isFloat(from.type) || !isFloat(to.type))
    throw Error(ErrorCode::kInternal, fmt::format("[reformat] no conversion from {} to {}",
                                                  toString(from.type), toString(to.type)));
  return bindMap(device, {.use = "USE_CAST", .defines = {{"FUNCTION(x)", "(x)"}}}, to,
                 {MapOperand::view(from, to.dims)});
}

}  // namespace layerwise::opencl
