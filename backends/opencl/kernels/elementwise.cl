// Functions of two operands of one type, V1.
inline V0 ew_equal(V1 a, V1 b) { return a == b; }
inline V0 ew_greater(V1 a, V1 b) { return a > b; }
inline V0 ew_less(V1 a, V1 b) { return a < b; }
inline V0 ew_and(V1 a, V1 b) { return a != 0 && b != 0; }
inline V0 ew_or(V1 a, V1 b) { return a != 0 || b != 0; }
inline V0 ew_xor(V1 a, V1 b) { return (a != 0) != (b != 0); }
inline V0 ew_select(uchar test, V1 a, V1 b) { return test ? a : b; }
inline V0 ew_max(V1 a, V1 b) { return a > b ? a : b; }
inline V0 ew_min(V1 a, V1 b) { return a < b ? a : b; }
#if defined(INTEGER)
// Integers wrap around; unsigned arithmetic makes that defined.
inline V0 ew_sum(V1 a, V1 b) { return (V0)((UNSIGNED)a + (UNSIGNED)b); }
inline V0 ew_product(V1 a, V1 b) { return (V0)((UNSIGNED)a * (UNSIGNED)b); }
inline V0 ew_subtract(V1 a, V1 b) { return (V0)((UNSIGNED)a - (UNSIGNED)b); }
inline V0 ew_divide(V1 a, V1 b) {
  if (b == 0) return 0;
  // The smallest integer has no positive counterpart: it wraps around to itself.
  if (b == -1) return (V0)(0 - (UNSIGNED)a);
  return a / b;
}
inline V0 ew_floor_divide(V1 a, V1 b) {
  V1 q = ew_divide(a, b);
  return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
inline V0 ew_modulo(V1 a, V1 b) {
  if (b == 0 || b == -1) return 0;
  V1 rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
inline V0 ew_power(V1 base, V1 exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  UNSIGNED result = 1, factor = (UNSIGNED)base;
  for (; exponent > 0; exponent /= 2, factor *= factor)
    if (exponent % 2) result *= factor;
  return (V0)result;
}
#else
inline V0 ew_sum(V1 a, V1 b) { return a + b; }
inline V0 ew_product(V1 a, V1 b) { return a * b; }
inline V0 ew_subtract(V1 a, V1 b) { return a - b; }
inline V0 ew_divide(V1 a, V1 b) { return a / b; }
inline V0 ew_parametric_relu(V1 x, V1 slope) { return x >= 0 ? x : slope * x; }
#if defined(REAL)
inline V0 ew_power(V1 a, V1 b) { return pow(a, b); }
inline V0 ew_affine(V1 x, float scale, float shift) { return x * scale + shift; }
inline V0 ew_affine_power(V1 x, float scale, float shift, float power) {
  return pow(x * scale + shift, power);
}
inline V0 ew_floor_divide(V1 a, V1 b) {
  if (b == 0) return a / b;
  float rest = fmod(a, b);
  return rint((a - rest) / b) - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
}
inline V0 ew_modulo(V1 a, V1 b) {
  float rest = fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
#endif
#endif
