// Unary functions over V1; for integers only those that have a meaning there.
#if defined(INTEGER)
inline V0 un_abs(V1 x) { return x < 0 ? (V0)(0 - (UNSIGNED)x) : x; }
inline V0 un_negate(V1 x) { return (V0)(0 - (UNSIGNED)x); }
inline V0 un_sign(V1 x) { return (x > 0) - (x < 0); }
inline V0 un_not(V1 x) { return x == 0; }
inline V0 un_same(V1 x) { return x; }
#else
inline V0 un_exp(float x) { return exp(x); }
inline V0 un_log(float x) { return log(x); }
inline V0 un_sqrt(float x) { return sqrt(x); }
inline V0 un_reciprocal(float x) { return 1 / x; }
inline V0 un_abs(float x) { return fabs(x); }
inline V0 un_negate(float x) { return -x; }
inline V0 un_sin(float x) { return sin(x); }
inline V0 un_cos(float x) { return cos(x); }
inline V0 un_tan(float x) { return tan(x); }
inline V0 un_asin(float x) { return asin(x); }
inline V0 un_acos(float x) { return acos(x); }
inline V0 un_atan(float x) { return atan(x); }
inline V0 un_sinh(float x) { return sinh(x); }
inline V0 un_cosh(float x) { return cosh(x); }
inline V0 un_asinh(float x) { return asinh(x); }
inline V0 un_acosh(float x) { return acosh(x); }
inline V0 un_atanh(float x) { return atanh(x); }
inline V0 un_ceil(float x) { return ceil(x); }
inline V0 un_floor(float x) { return floor(x); }
inline V0 un_erf(float x) { return erf(x); }
inline V0 un_sign(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; }
inline V0 un_round(float x) { return rint(x); }
inline V0 un_is_inf(float x) { return isinf(x) ? 1 : 0; }
inline V0 un_is_nan(float x) { return isnan(x) ? 1 : 0; }
#endif
