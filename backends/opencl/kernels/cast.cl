// Conversions that saturate; a float to an integer truncates, a NaN gives 0.
inline float bfloat16ToFloat(ushort x) { return as_float((uint)x << 16); }
inline ushort bfloat16FromFloat(float x) {
  uint bits = as_uint(x);
  if (x != x) return (ushort)((bits >> 16) | 0x40);
  return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline float cast_round_half(float x) {
  ushort bits;
  vstore_half(x, 0, (half*)&bits);
  return vload_half(0, (const half*)&bits);
}
inline float cast_round_bfloat16(float x) { return bfloat16ToFloat(bfloat16FromFloat(x)); }
#define cast_bool(x) ((x) != 0)
