// One work item an element of the output.
#include "window.cl"

kernel void pool(global T0* y, ulong yAt, global const T1* x, ulong xAt, Window w, Strides to,
                 Strides from, int channelsLast, int total) {
  int index = get_global_id(0);
  if (index >= total) return;
  Place p = placeOf(index, w.channels, w.out[0], w.out[1], w.out[2], channelsLast);
  int at[3] = {p.z, p.y, p.x}, begin[3], end[3], real = 1, padded = 1;
  for (int i = 0; i < 3; ++i) {
    int first = at[i] * w.stride[i] - w.pad[i];
    begin[i] = max(first, 0);
    end[i] = min(first + w.kernel_[i], w.in[i]);
    real *= end[i] - begin[i];
    padded *= min(first + w.kernel_[i], w.in[i] + w.postPad[i]) - first;
  }
#ifdef AVERAGE
  // The sum and what was rounded off it: a global average has many terms.
  float result = 0, lost = 0;
#else
  V1 result = LOWEST;
#endif
  for (int iz = begin[0]; iz < end[0]; ++iz)
    for (int iy = begin[1]; iy < end[1]; ++iy)
      for (int ix = begin[2]; ix < end[2]; ++ix) {
        V1 value = LOAD1(x + xAt, offsetOf(&from, p.n, p.c, iz, iy, ix));
#ifdef AVERAGE
        float term = value - lost, sum = result + term;
        lost = isfinite(sum) ? (sum - result) - term : 0;
        result = sum;
#else
        result = value > result ? value : result;
#endif
      }
#ifdef AVERAGE
#ifdef COUNT_PADDING
  result /= padded;
#else
  result /= real;
#endif
#endif
  STORE0(y + yAt, offsetOf(&to, p.n, p.c, p.z, p.y, p.x), result);
}
