#pragma once

#include "backends/opencl/nest.h"
#include "backends/shared/strides3.h"
#include "engine/tactic.h"
#include "layers/spatial.h"

namespace layerwise::opencl {

/// What kernels/window.cl takes by value.
struct ViewStrides {
  cl_int n = 0, c = 0, z = 0, y = 0, x = 0;

  ViewStrides() = default;
  explicit ViewStrides(const BufferView& view)
      : n(toInt(view.strides[0])), c(toInt(view.strides[1])) {
    Strides3 s(view);
    z = toInt(s.at[0]), y = toInt(s.at[1]), x = toInt(s.at[2]);
  }
};

struct WindowArgument {
  cl_int batch = 1, channels = 1;
  cl_int in[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  cl_int pad[3] = {}, postPad[3] = {}, dilation[3] = {1, 1, 1}, out[3] = {1, 1, 1};

  /// A window of one element over one element.
  WindowArgument() = default;
  WindowArgument(const Window3& w, const BufferView& output)
      : batch(toInt(output.dims[0])), channels(toInt(output.dims[1])) {
    toInt(output.dims.volume());
    for (int i = 0; i < 3; ++i) {
      in[i] = toInt(w.in[i]), kernel[i] = toInt(w.kernel[i]), stride[i] = toInt(w.stride[i]);
      pad[i] = toInt(w.pad[i]), postPad[i] = toInt(w.postPad[i]);
      dilation[i] = toInt(w.dilation[i]), out[i] = toInt(w.out[i]);
    }
  }
};

/// Whether neighbouring work items should take neighbouring channels rather than columns.
inline bool channelsInnermost(const BufferView& view) {
  return view.strides[1] == 1 && view.dims[1] > 1;
}

}  // namespace layerwise::opencl
