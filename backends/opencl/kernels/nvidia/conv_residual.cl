// The residual of a convolution on NVIDIA devices: a thread's 8 channels as they lie in memory.
#if TYPE == 8 && !FLOAT_RESIDUAL
typedef uint2 residual8;
#elif TYPE == 16
typedef uint4 residual8;
#else
typedef float8 residual8;
#endif
// A residual before the activation is what floating-point sums begin with: it takes no registers beside them, and comes while
// the first copies do. But where four bytes a value and several taps take a register too many for another group beside.
#define RESIDUAL_IN_SUMS (RESIDUAL == 1 && (TYPE == 16 || (TYPE == 19 || TYPE == 32) && POINTWISE))
// Whether a thread asks for all of its residuals at once, lest memory be asked for a part of a pixel at a time: where they fit
// beside the sums.
#define RESIDUALS_AT_ONCE (RESIDUAL && (TYPE == 8 && !FLOAT_RESIDUAL || TYPE == 16 && WGMMA && !RESIDUAL_IN_SUMS))

residual8 loadResidual(global const residual_element* p, int channels) {
#if (VECTORS & 2) && (TYPE == 16 || TYPE == 8 && !FLOAT_RESIDUAL)
  return *(global const residual8*)p;
#elif VECTORS & 2
  return (float8)(*(global const float4*)p, channels > SECOND_FOUR ? *(global const float4*)(p + SECOND_FOUR) : (float4)(0));
#elif TYPE == 8 && !FLOAT_RESIDUAL
  uint parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (uint2)(parts[0] | parts[1] << 8 | parts[2] << 16 | parts[3] << 24,
                 parts[4] | parts[5] << 8 | parts[6] << 16 | parts[7] << 24);
#elif TYPE == 16
  uint parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (uint4)(parts[0] | parts[1] << 16, parts[2] | parts[3] << 16, parts[4] | parts[5] << 16,
                 parts[6] | parts[7] << 16);
#else
  float parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = OF_EIGHT(e) < channels ? p[OF_EIGHT(e)] : 0;
  return (float8)(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]);
#endif
}

// zero and scale are those of bytes.
void addResidual(float* v, residual8 kept, int zero, float scale) {
#if TYPE == 8 && FLOAT_RESIDUAL
  v[0] = fma(kept.s0, scale, v[0]), v[1] = fma(kept.s1, scale, v[1]);
  v[2] = fma(kept.s2, scale, v[2]), v[3] = fma(kept.s3, scale, v[3]);
  v[4] = fma(kept.s4, scale, v[4]), v[5] = fma(kept.s5, scale, v[5]);
  v[6] = fma(kept.s6, scale, v[6]), v[7] = fma(kept.s7, scale, v[7]);
#elif TYPE == 8
#pragma unroll
  for (int e = 0; e < 4; ++e) {
    v[e] = fma(unscaledResidual((kept.x >> e * 8) & 255, zero), scale, v[e]);
    v[e + 4] = fma(unscaledResidual((kept.y >> e * 8) & 255, zero), scale, v[e + 4]);
  }
#elif TYPE == 16
  v[0] += fromHalf((ushort)kept.x), v[1] += fromHalf((ushort)(kept.x >> 16));
  v[2] += fromHalf((ushort)kept.y), v[3] += fromHalf((ushort)(kept.y >> 16));
  v[4] += fromHalf((ushort)kept.z), v[5] += fromHalf((ushort)(kept.z >> 16));
  v[6] += fromHalf((ushort)kept.w), v[7] += fromHalf((ushort)(kept.w >> 16));
#else
  v[0] += kept.s0, v[1] += kept.s1, v[2] += kept.s2, v[3] += kept.s3;
  v[4] += kept.s4, v[5] += kept.s5, v[6] += kept.s6, v[7] += kept.s7;
#endif
}
