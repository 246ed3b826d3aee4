#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/companded_weights.h"
#include "backends/cpu/kernels/table_silu.h"
#include "layers/float16.h"
#include "tests/slice_of.h"

// Convolutions on tile registers as tests want them: random data and the plain loops.
namespace layerwise::cpu {

struct AmxEngine {
  std::string name;
  AmxKernel kernel;
};

inline double activate(const Epilogue& e, double x) {
  switch (e.activation) {
    case Activation::kClip:
      return std::min<double>(std::max<double>(x, e.alpha), e.beta);
    case Activation::kLeaky:
      return x < 0 ? e.alpha * x : x;
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    default:
      return x;
  }
}
// In float32, as the integer semantics want it.
inline float activateExactly(const Epilogue& e, float x) {
  switch (e.activation) {
    case Activation::kClip:
      return std::min(std::max(x, e.alpha), e.beta);
    case Activation::kLeaky:
      return x < 0 ? e.alpha * x : x;
    default:
      return static_cast<float>(activate(e, x));
  }
}

inline Epilogue makeEpilogue(int i) {
  Epilogue e;
  e.activation = std::array{Activation::kNone, Activation::kClip, Activation::kLeaky,
                            Activation::kSilu}[static_cast<size_t>(i % 4)];
  e.alpha = e.activation == Activation::kLeaky ? 0.1f : 0;
  e.beta = e.activation == Activation::kClip ? (i % 8 < 4 ? 1.5f : INFINITY) : 0;
  return e;
}

inline int64_t extent(const View& v, int64_t n, int64_t h, int64_t w, int64_t c) {
  return (n - 1) * v.image + (h - 1) * v.row + (w - 1) * v.pixel + (c - 1) * v.channel + 1;
}

// A tensor of one of the three types, by element index; what is not an element is 0xff, a NaN.
struct Tensor {
  Element type = Element::kUInt8;
  std::vector<unsigned char> bytes;

  Tensor() = default;
  Tensor(Element t, int64_t elements)
      : type(t), bytes(static_cast<size_t>(elements * elementBytes(t)) + 64, 0xff) {}
  float get(int64_t i) const {
    if (type == Element::kUInt8) return bytes[static_cast<size_t>(i)];
    if (type == Element::kFloat32) {
      float x;
      std::memcpy(&x, bytes.data() + 4 * i, 4);
      return x;
    }
    std::uint16_t x;
    std::memcpy(&x, bytes.data() + 2 * i, 2);
    return bfloat16ToFloat(x);
  }
  void set(int64_t i, float value) {
    if (type == Element::kUInt8) {
      bytes[static_cast<size_t>(i)] = static_cast<unsigned char>(value);
    } else if (type == Element::kFloat32) {
      std::memcpy(bytes.data() + 4 * i, &value, 4);
    } else {
      const std::uint16_t x = bfloat16FromFloat(value);
      std::memcpy(bytes.data() + 2 * i, &x, 2);
    }
  }
  void erase(int64_t i) {
    std::memset(bytes.data() + i * elementBytes(type), 0xff,
                static_cast<size_t>(elementBytes(type)));
  }
};

class AmxCase {
 public:
  ConvShape shape;
  Element element, inputType;
  Epilogue epilogue;
  Conversion conversion;
  bool folded = false;  // bytes are what is rounded, without zero points
  View in, out, residual;

  AmxCase(const ConvShape& s, Element e, std::mt19937& generator)
      : shape(s), element(e), inputType(e), random(generator) {
    in = channelsLast(s.h, s.w, s.ci);
    out = residual = channelsLast(s.outH(), s.outW(), s.co);
    conversion.output = conversion.residual = element;
    if (element != Element::kUInt8) return;
    conversion.inputZero = static_cast<int>(pick(0, 1) * pick(0, 255));
    folded = pick(0, 1);
    conversion.fitsInteger = pick(0, 3) != 0;
    if (folded) {
      conversion.residualScale = 0.7f;
      return;
    }
    conversion.outputZero = static_cast<int>(pick(0, 255));
    conversion.residualZero = static_cast<int>(pick(0, 255));
    conversion.residualScale = 0.013f;
    conversion.outputInverse = 1 / 0.017f;
  }

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  // The input in planes with padded rows; of float32 where bfloat16 is multiplied.
  void usePlanes() {
    const int64_t row = shape.w + pick(0, 1) * pick(1, 9), plane = shape.h * row + pick(0, 5);
    in = {shape.ci * plane + pick(0, 1) * 7, row, 1, plane};
    if (element == Element::kBFloat16) inputType = Element::kFloat32;
  }

  // Slices of wider tensors with padded rows.
  void useSlices() {
    in = sliceOf(shape.h, shape.w, shape.ci, random);
    out = sliceOf(shape.outH(), shape.outW(), shape.co, random);
    residual = sliceOf(shape.outH(), shape.outW(), shape.co, random);
  }

  void prepare() {
    const ConvShape& s = shape;
    std::uniform_real_distribution<float> uniform(-1, 1);
    const auto count = static_cast<size_t>(s.co * s.ci * s.kh * s.kw);
    const float scale = 2 / std::sqrt(static_cast<float>(s.ci * s.kh * s.kw));
    if (folded && epilogue.activation == Activation::kClip) {
      epilogue.alpha += static_cast<float>(pick(0, 1) * pick(1, 60));
      epilogue.beta = epilogue.beta * 60 + 70;
    }
    for (size_t i = 0; i < count; ++i) {
      weights.push_back(bfloat16ToFloat(bfloat16FromFloat(uniform(random) * scale)));
      byteWeights.push_back(static_cast<int8_t>(pick(-127, 127)));
    }
    for (int64_t i = 0; i < s.co; ++i) {
      bias.push_back(uniform(random));
      scales.push_back((0.5f + uniform(random) * 0.3f) * scale / (128 * 128));
      if (folded) scales.back() *= 60, bias.back() = bias.back() * 60 + 70;
    }
    input = fill(inputType, in, s.h, s.w, s.ci);
    added = fill(conversion.residual, residual, s.outH(), s.outW(), s.co);
  }

  // Weights that companding leaves as they are.
  void compandWeights() {
    const auto depth = weights.size() / static_cast<size_t>(shape.co);
    std::vector<uint8_t> codes(depth);
    for (size_t first = 0; first < weights.size(); first += depth) {
      const float scale = Companding::encode({&weights[first], depth}, codes.data());
      for (size_t i = 0; i < depth; ++i) {
        const float value = scale * bfloat16ToFloat(Companding::magnitudes()[codes[i] & 0x7f]);
        weights[first + i] = codes[i] & 0x80 ? -value : value;
      }
    }
  }

  void check(const AmxEngine& engine, const AmxConfig& config, int threads) {
    const ConvShape& s = shape;
    Tensor result = run(engine, config, threads);
    int bad = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t y = 0; y < s.outH(); ++y)
        for (int64_t x = 0; x < s.outW(); ++x)
          for (int64_t o = 0; o < s.co; ++o) {
            const int64_t index = n * out.image + y * out.row + x * out.pixel + o;
            const float got = result.get(index);
            const auto [expected, tolerance] =
                element == Element::kUInt8 ? referenceBytes(n, y, x, o) : reference(n, y, x, o);
            if (!(std::abs(got - expected) <= tolerance) && bad++ < 3) {
              ADD_FAILURE() << "image " << n << " y " << y << " x " << x << " channel " << o << ": "
                            << got << " instead of " << expected << ", tolerance " << tolerance;
            }
            result.erase(index);
          }
    for (size_t i = 0; i < result.bytes.size(); ++i) {
      ASSERT_EQ(result.bytes[i], 0xff) << "wrote outside its slice at " << i;
    }
  }

  // Pooling in the same step gives the bits of pooling afterwards, and writes nothing else.
  void checkPooled(const AmxEngine& engine, const AmxConfig& config, const PoolPlan& pool,
                   int threads) {
    const Tensor whole = run(engine, config, threads);
    Tensor pooled = run(engine, config, threads, &pool);
    int bad = 0;
    for (int64_t n = 0; n < shape.n; ++n)
      for (int64_t y = 0; y < pool.outH; ++y)
        for (int64_t x = 0; x < pool.outW; ++x)
          for (int64_t o = 0; o < shape.co; ++o) {
            float largest = -INFINITY;
            for (int64_t i = y * pool.sh - pool.pt; i < y * pool.sh - pool.pt + pool.kh; ++i)
              for (int64_t j = x * pool.sw - pool.pl; j < x * pool.sw - pool.pl + pool.kw; ++j)
                if (i >= 0 && i < pool.h && j >= 0 && j < pool.w)
                  largest =
                      std::max(largest, whole.get(n * out.image + i * out.row + j * out.pixel + o));
            const int64_t index = n * pool.out.image + y * pool.out.row + x * pool.out.pixel + o;
            if (pooled.get(index) != largest && bad++ < 3) {
              ADD_FAILURE() << "image " << n << " y " << y << " x " << x << " channel " << o << ": "
                            << pooled.get(index) << " instead of " << largest;
            }
            pooled.erase(index);
          }
    for (size_t i = 0; i < pooled.bytes.size(); ++i) {
      ASSERT_EQ(pooled.bytes[i], 0xff) << "wrote outside its slice at " << i;
    }
  }

  std::string describe() const {
    const ConvShape& s = shape;
    std::string text;
    for (int64_t v :
         {s.n, s.h, s.w, s.ci, s.co, s.kh, s.kw, s.sh, s.sw, s.pt, s.pl, s.pb, s.pr, s.dh, s.dw}) {
      text += std::to_string(v) + " ";
    }
    return "element " + std::to_string(static_cast<int>(element)) + " to " +
           std::to_string(static_cast<int>(conversion.output)) +
           ": n h w ci co kh kw sh sw pt pl pb pr dh dw = " + text + " activation " +
           std::to_string(static_cast<int>(epilogue.activation)) + " residual " +
           std::to_string(static_cast<int>(epilogue.residual)) + " of " +
           std::to_string(static_cast<int>(conversion.residual));
  }

  // The results, or what `pool` makes of them.
  Tensor run(const AmxEngine& engine, const AmxConfig& config, int threads,
             const PoolPlan* pool = nullptr) {
    const ConvShape& s = shape;
    const AmxConvolution bound = bindAmxConv(s, config, conversion, in, out, residual, epilogue,
                                             threads, {8192, 65536}, pool);
    const AmxPlan& plan = bound.plan;
    std::vector<std::byte> packedStore(amxPackedBytes(s, config) + 64);
    std::byte* packed = align(packedStore.data());
    if (element == Element::kUInt8) {
      packAmxBytes(s, config, byteWeights.data(), scales.data(), bias.data(), conversion.inputZero,
                   packed);
    } else {
      packAmxFloat(s, config, weights.data(), bias.data(), packed);
    }
    Tensor result(conversion.output, pool ? extent(pool->out, s.n, pool->outH, pool->outW, s.co)
                                          : extent(out, s.n, s.outH(), s.outW(), s.co));
    const AmxBuffers io{input.bytes.data(), packed, bound.offsets.data(), added.bytes.data(),
                        result.bytes.data()};
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile) {
      std::vector<std::byte> store(static_cast<size_t>(plan.scratchBytes) + 192, std::byte{0xff});
      std::byte* scratch = align(store.data());
      engine.kernel(plan, io, tile, scratch);
      for (std::byte* p = scratch + plan.scratchBytes; p < store.data() + store.size(); ++p) {
        EXPECT_EQ(*p, std::byte{0xff}) << "wrote beyond its scratch";
      }
    }
    return result;
  }

 private:
  static std::byte* align(std::byte* p) {
    return p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64;
  }

  Tensor fill(Element type, const View& v, int64_t h, int64_t w, int64_t c) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    Tensor t(type, extent(v, shape.n, h, w, c));
    for (int64_t n = 0; n < shape.n; ++n)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
          for (int64_t i = 0; i < c; ++i) {
            t.set(n * v.image + y * v.row + x * v.pixel + i * v.channel,
                  type == Element::kUInt8 ? static_cast<float>(pick(0, 255))
                                          : bfloat16ToFloat(bfloat16FromFloat(uniform(random))));
          }
    return t;
  }

  struct Value {
    double expected, tolerance;
  };

  // Calls visit(index of the input or -1 outside of the image, index of the weight).
  template <class Visit>
  void forEachTerm(int64_t n, int64_t y, int64_t x, int64_t o, const Visit& visit) const {
    const ConvShape& s = shape;
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t iy = y * s.sh - s.pt + ky * s.dh, ix = x * s.sw - s.pl + kx * s.dw;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        for (int64_t i = 0; i < s.ci; ++i) {
          visit(n * in.image + iy * in.row + ix * in.pixel + i * in.channel,
                static_cast<size_t>(((o * s.ci + i) * s.kh + ky) * s.kw + kx));
        }
      }
  }

  int64_t residualIndex(int64_t n, int64_t y, int64_t x, int64_t o) const {
    return n * residual.image + y * residual.row + x * residual.pixel + o;
  }

  Value reference(int64_t n, int64_t y, int64_t x, int64_t o) const {
    double sum = bias[static_cast<size_t>(o)], magnitude = std::abs(sum), terms = 1;
    forEachTerm(n, y, x, o, [&](int64_t i, size_t w) {
      const double term = static_cast<double>(input.get(i)) * weights[w];
      sum += term;
      magnitude += std::abs(term);
      ++terms;
    });
    const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
    const double r = epilogue.residual == ResidualPlace::kNone
                         ? 0
                         : static_cast<double>(added.get(residualIndex(n, y, x, o)));
    const double given = sum + (before ? r : 0), activated = activate(epilogue, given);
    const double value = activated + (before ? 0 : r);
    // Each term rounds once in a chain of float32 sums; the functions are good to a few ulps.
    double tolerance = (magnitude + std::abs(r)) * (terms + 8) * 0x1p-24 + 1e-6;
    if (conversion.output == Element::kBFloat16) {
      tolerance = tolerance * 1.01 + std::abs(value) * 0x1p-8;
      if (epilogue.activation == Activation::kSilu) {
        const bool inTable = tolerance - given < SiluTable::kEnd;
        tolerance += inTable ? SiluTable::kLargestError : std::abs(activated);
      }
    }
    return {value, tolerance};
  }

  Value referenceBytes(int64_t n, int64_t y, int64_t x, int64_t o) const {
    const Conversion& q = conversion;
    int32_t sum = 0;
    forEachTerm(n, y, x, o, [&](int64_t i, size_t w) {
      sum += (static_cast<int32_t>(input.get(i)) - q.inputZero) * byteWeights[w];
    });
    const auto c = static_cast<size_t>(o);
    float value = std::fma(static_cast<float>(sum), scales[c], bias[c]);
    float r = 0;
    if (epilogue.residual != ResidualPlace::kNone) {
      r = added.get(residualIndex(n, y, x, o));
      if (conversion.residual == Element::kUInt8) r -= static_cast<float>(q.residualZero);
    }
    const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
    if (before) value = std::fma(r, q.residualScale, value);
    value = activateExactly(epilogue, value);
    if (!before) value = std::fma(r, q.residualScale, value);
    const bool exact = epilogue.activation != Activation::kSilu;
    if (conversion.output == Element::kFloat32)
      return {value, exact ? 0 : 1e-6 * std::max(1.0f, std::abs(value))};
    const float scaled = value * q.outputInverse;
    const double rounded = std::nearbyint(scaled);
    const bool tie = std::abs(std::abs(static_cast<double>(scaled) - rounded) - 0.5) < 1e-4;
    return {std::min(255.0, std::max(0.0, rounded + q.outputZero)), exact || !tie ? 0.0 : 1.0};
  }

  std::mt19937& random;
  std::vector<float> weights, bias, scales;
  std::vector<int8_t> byteWeights;
  Tensor input, added;
};
inline ConvShape randomShape(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<int64_t> values) {
    return values.begin()[std::uniform_int_distribution<size_t>(0, values.size() - 1)(random)];
  };
  ConvShape s;
  do {
    s = ConvShape{};
    s.n = pick({1, 1, 2});
    s.h = pick({1, 3, 7, 12, 17});
    s.w = pick({1, 4, 7, 13, 31});
    s.ci = pick({1, 3, 16, 17, 24, 32, 58, 64, 72, 100});
    s.co = pick({1, 3, 8, 17, 24, 32, 48, 58, 70});
    s.kh = pick({1, 1, 2, 3, 3, 5});
    s.kw = pick({1, s.kh, s.kh, s.kh});
    s.sh = pick({1, 1, 2, 3});
    s.sw = pick({s.sh, s.sh, 1});
    s.pt = pick({0, s.kh / 2, 1});
    s.pl = pick({0, s.kw / 2, 2});
    s.pb = pick({s.pt, 0, 1});
    s.pr = pick({s.pl, 0, 3});
    s.dh = pick({1, 1, 2});
    s.dw = pick({1, s.dh});
  } while (s.h + s.pt + s.pb < (s.kh - 1) * s.dh + 1 || s.w + s.pl + s.pr < (s.kw - 1) * s.dw + 1);
  return s;
}

}  // namespace layerwise::cpu
