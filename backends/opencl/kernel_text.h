#pragma once

#include <string>
#include <string_view>

namespace layerwise::opencl {

/// The text of a file of backends/opencl/kernels/, as it was when the library was built. Throws
/// Error kInternal for a name that there is none of.
std::string_view kernelText(std::string_view file);

/// The same with each line `#include "other.cl"` replaced by that file's text, once a file.
std::string expandedKernelText(std::string_view file);

/// A hash of all kernel files: what is tuned or compiled for one set is stale for another.
const std::string& kernelSetVersion();

}  // namespace layerwise::opencl
