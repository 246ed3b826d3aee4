// Before the products of a convolution's kernel, within its body: what sums begin with, and residuals that are asked for early.
#if TYPE != 32
  sum_t sum[M_TILES][N_TILES][4];
#else
  float sum[THREAD_M][8];
#endif
#if TYPE == 8
#define AS_SUM(x) as_int(x)
#else
#define AS_SUM(x) (x)
#endif
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
#if RESIDUAL_IN_SUMS
// Zeros where there are no channels: were adding left out there, products would wait for one another (ptxas, C7515).
#define LOAD_INTO_SUMS                                                                                                 \
  residual8 keptOf[GROUPS_OF_THREAD][ROWS_OF_THREAD];                                                                  \
  _Pragma("unroll") for (int group = 0; group < GROUPS_OF_THREAD; ++group)                                             \
      _Pragma("unroll") for (int row = 0; row < ROWS_OF_THREAD; ++row) keptOf[group][row] = (residual8)(0);            \
  LOAD_RESIDUALS
#define ADD_LOADED(v, row, group) addResidual(v, keptOf[group][row], 0, 0);
#else
#define LOAD_INTO_SUMS
#define ADD_LOADED(v, row, group)
#endif
#define BEGIN_SUMS                                                                             \
  {                                                                                            \
    LOAD_INTO_SUMS                                                                             \
    _Pragma("unroll") for (int group = 0; group < GROUPS_OF_THREAD; ++group) {                 \
      const int channel = CHANNEL_OF(group);                                                   \
      float starts[8] = {0, 0, 0, 0, 0, 0, 0, 0};                                              \
      if (channel < g.channels) loadConstants(starts, bias + channel);                         \
      _Pragma("unroll") for (int row = 0; row < ROWS_OF_THREAD; ++row) {                       \
        float v[8];                                                                            \
        _Pragma("unroll") for (int e = 0; e < 8; ++e) v[e] = starts[e];                        \
        ADD_LOADED(v, row, group)                                                              \
        _Pragma("unroll") for (int e = 0; e < 8; ++e) SUM_OF(row, group, e) = AS_SUM(v[e]);    \
      }                                                                                        \
    }                                                                                          \
  }
#if SPLIT
  // Of the groups that share the depth the one that adds up begins with the constants.
#pragma unroll
  for (int group = 0; group < GROUPS_OF_THREAD; ++group)
#pragma unroll
    for (int row = 0; row < ROWS_OF_THREAD; ++row)
#pragma unroll
      for (int e = 0; e < 8; ++e) SUM_OF(row, group, e) = 0;
#else
  BEGIN_SUMS
#endif

#if TYPE == 57
  // Tensor cores cut off what does not fit when they add, always towards zero. So what they have summed up over some of the
  // depth is added to totals of floats.
  float total[M_TILES][N_TILES][4];
#define EACH_SUM                                   \
  _Pragma("unroll") for (int i = 0; i < M_TILES; ++i) \
      _Pragma("unroll") for (int j = 0; j < N_TILES; ++j) _Pragma("unroll") for (int e = 0; e < 4; ++e)
#define ADD_TO_TOTALS \
  { EACH_SUM total[i][j][e] += sum[i][j][e], sum[i][j][e] = 0; }
#define TAKE_TOTALS \
  { EACH_SUM sum[i][j][e] += total[i][j][e]; }
  EACH_SUM total[i][j][e] = 0;
#endif

#if RESIDUALS_AT_ONCE
  residual8 keptOf[GROUPS_OF_THREAD][ROWS_OF_THREAD];
#if !SPLIT && WGMMA
  // They come while products are under way.
  LOAD_RESIDUALS
#endif
#endif
