#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"
#include "backends/cpu/fully_connected.h"

namespace layerwise::cpu {

/// Operations over (N, H, W, C) views that move or reduce data rather than multiply matrices. Each
/// plan is split into `tiles` independent units. Sources must be readable for 64 bytes beyond their
/// last element, but for what is converted, which may be the caller's.

enum class PoolKind : uint8_t {
  kMax,              ///< borders never win
  kAverage,          ///< over the taps inside the image
  kAverageWithZeros  ///< over all taps inside the padded image, borders counted as zeros
};

/// Pooling of channels-last tensors. The caller states the output's size, which decides floor or
/// ceil; a window wholly outside the image gives -inf (max) or 0 (average).
struct PoolPlan {
  PoolKind kind = PoolKind::kMax;
  int64_t n = 1, h = 1, w = 1, c = 1;
  int64_t outH = 1, outW = 1;
  int64_t kh = 1, kw = 1, sh = 1, sw = 1, pt = 0, pl = 0, pb = 0, pr = 0;
  View in, out;
  bool nonNegative = false;  ///< no number of the input has a sign (NaN may have)
  int64_t tiles() const { return n * outH; }
};

/// Mean over all pixels of each image and channel; out is one pixel. 16 or 8 channels a unit.
struct GlobalPoolPlan {
  int64_t n = 1, h = 1, w = 1, c = 1;
  View in, out;
  int64_t blocks = 1;  ///< how many units an image's channels are split into
  int64_t tiles() const { return n * blocks; }
};

/// Each pixel repeated scaleH by scaleW times.
struct UpsamplePlan {
  int64_t n = 1, h = 1, w = 1, c = 1;  ///< of the input
  int64_t scaleH = 2, scaleW = 2;
  View in, out;
  int64_t tiles() const { return n * h; }
};

enum class BinaryKind : uint8_t {
  kFirst,  ///< a alone
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kMax,
  kMin,
};

/// out = activation(a op b), channels-last; b's row, pixel or image stride may be 0 (broadcast),
/// also both (a value per channel). Epilogue's residual is not used.
struct PointwisePlan {
  BinaryKind kind = BinaryKind::kFirst;
  Epilogue epilogue;
  int64_t n = 1, h = 1, w = 1, c = 1;
  View a, b, out;
  int64_t tiles() const { return n * h; }
};

/// out = in with another element type, layout or both. Bytes q of a scale stand for
/// scale * (q - zero): `factor` is the scale where bytes are read, its inverse where they are
/// written; between bytes they are copied. Channels, or pixels, are contiguous on either side.
struct ConvertPlan {
  int64_t n = 1, h = 1, w = 1, c = 1;
  View in, out;
  Element from = Element::kFloat32, to = Element::kFloat32;
  int zero = 0;
  float factor = 1;
  int64_t tiles() const { return n * h; }
};

/// A loop of nothing but multiply-adds on registers, and how many multiplications and additions a
/// step of it is.
struct Peak {
  float (*loop)(int64_t steps) = nullptr;
  int operations = 0;
};

/// Tensors are of the type that a table is for, but for averages, which are float32;
/// fullyConnected is float32's alone. Null where a type lacks an operation.
struct TensorKernels {
  void (*pool)(const PoolPlan&, const void* in, void* out, int64_t tile);
  void (*globalAverage)(const GlobalPoolPlan&, const void* in, void* out, int64_t tile);
  void (*upsample)(const UpsamplePlan&, const void* in, void* out, int64_t tile);
  void (*pointwise)(const PointwisePlan&, const void* a, const void* b, void* out, int64_t tile);
  FullyConnectedKernel fullyConnected;
  Peak peak;
};

using ConvertKernel = void (*)(const ConvertPlan&, const void* in, void* out, int64_t tile);

/// The operations of reduced types.
struct TypedTensorKernels {
  TensorKernels bfloat16, bytes;
  ConvertKernel convert;
};

}  // namespace layerwise::cpu
