// The end of a convolution's kernel, within its body: groups that share the depth add up, and results go
// through bias, activation and residual to memory.
#if SPLIT
  // Every group leaves its sums; the one that comes last adds them up, always in the same order.
  const int tile = get_group_id(1) * get_num_groups(0) + get_group_id(0), splits = get_num_groups(2);
  const int sums = ROWS_OF_THREAD * GROUPS_OF_THREAD * 8;
  global float4* tilePartial = (global float4*)(partial + partialOffset) + (long)tile * splits * (sums / 4 * THREADS) + thread;
  {
    global float4* mine = tilePartial + (long)get_group_id(2) * (sums / 4 * THREADS);
    int at = 0;
#if TYPE == 8
#pragma unroll
    for (int i = 0; i < M_TILES; ++i)
#pragma unroll
      for (int j = 0; j < N_TILES; ++j, ++at)
        mine[at * THREADS] = as_float4((int4)(sum[i][j][0], sum[i][j][1], sum[i][j][2], sum[i][j][3]));
#elif TYPE != 32
#pragma unroll
    for (int i = 0; i < M_TILES; ++i)
#pragma unroll
      for (int j = 0; j < N_TILES; ++j, ++at)
        mine[at * THREADS] = (float4)(sum[i][j][0], sum[i][j][1], sum[i][j][2], sum[i][j][3]);
#else
#pragma unroll
    for (int i = 0; i < THREAD_M; ++i)
#pragma unroll
      for (int j = 0; j < 8; j += 4, ++at)
        mine[at * THREADS] = (float4)(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
#endif
  }
  showAll();
  local int* arrived = (local int*)stages;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (thread == 0) {
    *arrived = atomic_inc(counters + tile);
    if (*arrived == splits - 1) counters[tile] = 0;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (*arrived != splits - 1) return;
  showAll();
#if TYPE != 32
#define SUM_AT(at, e) sum[(at) / N_TILES][(at) % N_TILES][e]
#else
#define SUM_AT(at, e) sum[(at) / 2][((at) & 1) * 4 + e]
#endif
  BEGIN_SUMS
  for (int s = 0; s < splits; ++s) {
#pragma unroll
    for (int at = 0; at < ROWS_OF_THREAD * GROUPS_OF_THREAD * 2; ++at) {
#if TYPE == 8
      const int4 v = as_int4(loadShared(tilePartial + at * THREADS));
#else
      const float4 v = loadShared(tilePartial + at * THREADS);
#endif
      SUM_AT(at, 0) += v.x, SUM_AT(at, 1) += v.y, SUM_AT(at, 2) += v.z, SUM_AT(at, 3) += v.w;
    }
    tilePartial += sums / 4 * THREADS;
  }
#endif

#if RESIDUALS_AT_ONCE && (SPLIT || !WGMMA)
  LOAD_RESIDUALS
#endif

// Eight results, to memory of a kind; `channels` are left.
#if TYPE == 8 && !FLOAT_OUTPUT
#define STORE_EIGHT(memory, p, v, channels)                                                             \
  {                                                                                                     \
    uint bytes[8];                                                                                      \
    _Pragma("unroll") for (int e = 0; e < 8; ++e) bytes[e] = quantizedResult(v[e], g.inverse, g.outputZero) & 255; \
    *(memory uint2*)(p) = (uint2)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24,           \
                                  bytes[4] | bytes[5] << 8 | bytes[6] << 16 | bytes[7] << 24);          \
  }
#elif TYPE == 16 && !FLOAT_OUTPUT
#define STORE_EIGHT(memory, p, v, channels) \
  *(memory uint4*)(p) =                     \
      (uint4)(toHalves(v[0], v[1]), toHalves(v[2], v[3]), toHalves(v[4], v[5]), toHalves(v[6], v[7]));
#else
#define STORE_EIGHT(memory, p, v, channels)                                                                    \
  {                                                                                                            \
    *(memory float4*)(p) = (float4)(v[0], v[1], v[2], v[3]);                                                   \
    if ((channels) > SECOND_FOUR) *(memory float4*)((p) + SECOND_FOUR) = (float4)(v[4], v[5], v[6], v[7]);     \
  }
#endif
// Where channels cannot be stored 8 at a time they go through local memory, 32 of each warp's column at a time, so that a warp
// stores what lies side by side.
#if !(VECTORS & 1) && defined(WN) && BM * (BN / WN) * 32 * OUT_BYTES <= STAGES * STAGE_BYTES
#define STAGED 1
#define SLAB_COLUMNS (BN / WN * 32)
  local out_element* slab = (local out_element*)stages;
#else
#define STAGED 0
#endif

  // Packing has ordered the weights such that a thread holds the channels that it stores.
#pragma unroll
  for (int group = 0; group < GROUPS_OF_THREAD; ++group) {
    const int channel = CHANNEL_OF(group);
#if STAGED
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    if (channel < g.channels) {
#if TYPE == 8
      // Behind what the exact sums begin with.
      float scales[8], biases[8];
      loadConstants(scales, bias + g.weightRows + channel);
      loadConstants(biases, bias + 2 * g.weightRows + channel);
#endif
#if RESIDUALS_AT_ONCE
      const residual8* kept = keptOf[group];
#elif RESIDUAL && !RESIDUAL_IN_SUMS
      // All of the channels' residuals are asked for before the first is used.
      residual8 kept[ROWS_OF_THREAD];
#pragma unroll
      for (int row = 0; row < ROWS_OF_THREAD; ++row) LOAD_RESIDUAL(kept[row], row, channel);
#endif
#pragma unroll
      for (int row = 0; row < ROWS_OF_THREAD; ++row) {
        float v[8];
        const int pixel = PIXEL_OF(row);
        if (pixel >= g.pixels) continue;
#pragma unroll
        for (int e = 0; e < 8; ++e)
#if TYPE == 8
          v[e] = scaledSum(SUM_OF(row, group, e), scales[e], biases[e]);
#else
          v[e] = SUM_OF(row, group, e);
#endif
#if RESIDUAL == 1 && !RESIDUAL_IN_SUMS
        addResidual(v, kept[row], g.residualZero, g.residualScale);
#endif
#pragma unroll
        for (int e = 0; e < 8; ++e) v[e] = ACTIVATE(v[e], g.alpha, g.beta);
#if RESIDUAL == 2
        addResidual(v, kept[row], g.residualZero, g.residualScale);
#endif
#if STAGED
        STORE_EIGHT(local, slab + (pixel - firstPixel) * SLAB_COLUMNS + (channel - firstChannel) / WN * 32 + channel % 32, v, 32)
#else
        global out_element* op =
            out + outOffset + channel + PIXEL_AT(pixel, FLAT & 1, g.outImage, g.outRow, g.outPixel);
#if VECTORS & 1
        STORE_EIGHT(global, op, v, g.channels - channel)
#else
#pragma unroll
        for (int e = 0; e < 8; ++e)
          if (channel + OF_EIGHT(e) < g.channels) {
#if TYPE == 8 && !FLOAT_OUTPUT
            op[e] = (uchar)quantizedResult(v[e], g.inverse, g.outputZero);
#elif TYPE == 16 && !FLOAT_OUTPUT
            op[e] = (ushort)toHalves(v[e], 0);
#else
            op[OF_EIGHT(e)] = v[e];
#endif
          }
#endif
#endif
      }
    }
#if STAGED
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int at = thread; at < BM * SLAB_COLUMNS; at += THREADS) {
      const int pixel = firstPixel + at / SLAB_COLUMNS, column = at % SLAB_COLUMNS;
      const int stored = firstChannel + column / 32 * WN + group * 32 + column % 32;
      if (pixel < g.pixels && stored < g.channels)
        out[outOffset + stored + PIXEL_AT(pixel, FLAT & 1, g.outImage, g.outRow, g.outPixel)] = slab[at];
    }
#endif
  }
