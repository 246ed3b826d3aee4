// To and from 8-bit integers; alpha and beta are the least and the largest integer.
#define quantized(x, inverse, zero) clamp(rint((x) * (inverse)) + (zero), alpha, beta)
#define dequantized(q, scale, zero) (((float)(q) - (zero)) * (scale))
