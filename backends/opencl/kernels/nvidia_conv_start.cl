// Before the products of a convolution's kernel, within its body: what sums begin with, and residuals that are asked for early.
#if TYPE != 32
  sum_t sum[M_TILES][N_TILES][4];
#else
  float sum[THREAD_M][8];
#endif
  // Of the groups that share the depth one adds what sums begin with.
#pragma unroll
  for (int group = 0; group < GROUPS_OF_THREAD; ++group) {
    const int channel = CHANNEL_OF(group);
    float starts[8] = {0, 0, 0, 0, 0, 0, 0, 0};
#if SPLIT
    if (channel < g.channels && get_group_id(2) == 0)
#else
    if (channel < g.channels)
#endif
      loadConstants(starts, bias + channel);
#pragma unroll
    for (int row = 0; row < ROWS_OF_THREAD; ++row)
#pragma unroll
      for (int e = 0; e < 8; ++e)
#if TYPE == 8
        SUM_OF(row, group, e) = as_int(starts[e]);
#else
        SUM_OF(row, group, e) = starts[e];
#endif
  }

#if RESIDUAL
#define LOAD_RESIDUAL(kept, row, channel)                                                                      \
  kept = loadResidual(residual + residualOffset + (channel) +                                                  \
                          PIXEL_AT(min(PIXEL_OF(row), g.pixels - 1), FLAT & 2, g.residualImage, g.residualRow, \
                                   g.residualPixel),                                                           \
                      g.channels - (channel))
#define LOAD_RESIDUALS                                                                                         \
  _Pragma("unroll") for (int row = 0; row < ROWS_OF_THREAD; ++row)                                             \
      _Pragma("unroll") for (int group = 0; group < GROUPS_OF_THREAD; ++group) if (CHANNEL_OF(group) < g.channels) \
          LOAD_RESIDUAL(keptOf[group][row], row, CHANNEL_OF(group));
#endif
#if RESIDUALS_AT_ONCE
  residual8 keptOf[GROUPS_OF_THREAD][ROWS_OF_THREAD];
#if !SPLIT && WGMMA
  // They come while products are under way.
  LOAD_RESIDUALS
#endif
#endif
