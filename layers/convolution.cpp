#include "layers/convolution_shape.h"
#include "layers/layer_kind.h"
#include "layers/spatial.h"

namespace layerwise {
namespace {

void reference(const Convolution& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  Window3 w(resolveWindow(a, in), in);
  std::int64_t groupIn = in[1] / a.groups, groupOut = a.outputs / a.groups;
  std::int64_t taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
  std::int64_t plane = w.in[0] * w.in[1] * w.in[2];
  const double* x = c.inputs[0].values.data();
  const double* k = c.weights[0].values.data();
  const double* bias = c.weights[1].values.empty() ? nullptr : c.weights[1].values.data();
  double* y = c.outputs[0].values.data();
  for (std::int64_t n = 0; n < in[0]; ++n)
    for (std::int64_t o = 0; o < a.outputs; ++o)
      for (std::int64_t oz = 0; oz < w.out[0]; ++oz)
        for (std::int64_t oy = 0; oy < w.out[1]; ++oy)
          for (std::int64_t ox = 0; ox < w.out[2]; ++ox) {
            double sum = bias ? bias[o] : 0;
            for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
              for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
                for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx) {
                  std::int64_t at = w.offsetUnder({kz, ky, kx}, {oz, oy, ox}, w.in);
                  if (at < 0) continue;
                  std::int64_t first = n * in[1] + o / groupOut * groupIn;
                  const double* source = x + first * plane + at;
                  const double* tap =
                      k + o * groupIn * taps + (kz * w.kernel[1] + ky) * w.kernel[2] + kx;
                  for (std::int64_t i = 0; i < groupIn; ++i)
                    sum += source[i * plane] * tap[i * taps];
                }
            *y++ = sum;
          }
}

}  // namespace

void registerLayer_convolution(LayerRegistry& registry) {
  registry.add<Convolution>({.weightRoles = {"kernel", "bias"},
                             .infer = inferConvolution<Convolution>,
                             .reference = reference,
                             .imageByImage = alwaysImageByImage<Convolution>});
}

}  // namespace layerwise
