#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "backends/opencl/cl.h"
#include "layerwise/error.h"

namespace layerwise::opencl {

/// "CL_OUT_OF_RESOURCES"; "OpenCL error -9999" for a code that the standard does not have.
std::string errorName(cl_int code);

/// "[subject] CL_OUT_OF_RESOURCES in clFinish"; kOutOfMemory for codes that speak of memory.
Error describe(std::string_view subject, const cl::Error& error, std::string_view more = {});

/// Calls f; what the bindings throw becomes an Error that begins with the subject.
template <class F>
decltype(auto) guarded(std::string_view subject, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const cl::Error& error) {
    throw describe(subject, error);
  }
}

}  // namespace layerwise::opencl
