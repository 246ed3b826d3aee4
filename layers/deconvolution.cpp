#include "layers/convolution_shape.h"
#include "layers/layer_kind.h"
#include "layers/spatial.h"

namespace layerwise {
namespace {

/// Each input element is scattered: it adds its multiple of the kernel to the output.
void reference(const Deconvolution& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  Window3 w(resolveWindow(a, in), in);
  std::int64_t groupIn = in[1] / a.groups, groupOut = a.outputs / a.groups;
  std::int64_t taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
  std::int64_t plane = w.out[0] * w.out[1] * w.out[2];
  const double* x = c.inputs[0].values.data();
  const double* k = c.weights[0].values.data();
  double* y = c.outputs[0].values.data();
  for (std::int64_t n = 0; n < in[0]; ++n)
    for (std::int64_t o = 0; o < a.outputs; ++o)
      for (std::int64_t i = 0; i < plane; ++i)
        y[(n * a.outputs + o) * plane + i] =
            c.weights[1].values.empty() ? 0 : c.weights[1].values[static_cast<std::size_t>(o)];
  for (std::int64_t n = 0; n < in[0]; ++n)
    for (std::int64_t i = 0; i < in[1]; ++i)
      for (std::int64_t iz = 0; iz < w.in[0]; ++iz)
        for (std::int64_t iy = 0; iy < w.in[1]; ++iy)
          for (std::int64_t ix = 0; ix < w.in[2]; ++ix) {
            double value = *x++;
            for (std::int64_t o = 0; o < groupOut; ++o)
              for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
                for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
                  for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx) {
                    std::int64_t at = w.offsetUnder({kz, ky, kx}, {iz, iy, ix}, w.out);
                    if (at < 0) continue;
                    std::int64_t channel = n * a.outputs + i / groupIn * groupOut + o;
                    y[channel * plane + at] +=
                        value *
                        k[(i * groupOut + o) * taps + (kz * w.kernel[1] + ky) * w.kernel[2] + kx];
                  }
          }
}

}  // namespace

void registerLayer_deconvolution(LayerRegistry& registry) {
  registry.add<Deconvolution>({.weightRoles = {"kernel", "bias"},
                               .infer = inferConvolution<Deconvolution>,
                               .reference = reference,
                               .imageByImage = alwaysImageByImage<Deconvolution>});
}

}  // namespace layerwise
