// Convolutions on tile registers, on their emulated twin and where the machine has them on the
// processor's, against plain loops on random attributes and odd sizes.
#include "backends/cpu/simd/amx.h"
#include "backends/cpu/simd/emulated_tiles.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/kernels/amx_conv.h"
#include "layers/float16.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

struct Engine {
  std::string name;
  AmxKernel kernel;
};
bool hasTiles() {
  const CpuFeatures& features = cpuFeatures();
  return features.amxTile && features.amxInt8 && features.amxBf16;
}

std::vector<Engine> engines() {
  std::vector<Engine> all{{"emulated", &amxConvTile<EmulatedTiles>}};
  if (hasTiles()) all.push_back({"processor", kAmxConvKernel});
  return all;
}

// Three tiles of one product, c += a * b.
template <class Tiles>
void multiplyTiles(bool bytes, int rows, int depth, int columns, unsigned char (&c)[16][64],
                   const unsigned char (&a)[16][64], const unsigned char (&b)[16][64]) {
  Tiles tiles;
  TileShapes shapes;
  shapes.tile[0] = {static_cast<uint16_t>(rows), static_cast<uint16_t>(4 * columns)};
  shapes.tile[4] = {static_cast<uint16_t>(rows), static_cast<uint16_t>(4 * depth)};
  shapes.tile[6] = {static_cast<uint16_t>(depth), static_cast<uint16_t>(4 * columns)};
  tiles.configure(shapes);
  tiles.template load<0>(c, 64);
  tiles.template load<4>(a, 64);
  tiles.template load<6>(b, 64);
  if (bytes) {
    tiles.template dotBytes<0, 4, 6>();
  } else {
    tiles.template dotBFloat16<0, 4, 6>();
  }
  tiles.template store<0>(c, 64);
  tiles.release();
}

TEST(EmulatedTiles, EqualTheProcessorsBitForBit) {
  if (!hasTiles()) GTEST_SKIP() << "this machine has no tile registers";
  std::mt19937 random(5);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int i = 0; i < 4000; ++i) {
    const bool bytes = i % 2;
    const int rows = pick(1, 16), depth = pick(1, 16), columns = pick(1, 16);
    unsigned char a[16][64], b[16][64], c[16][64], twin[16][64];
    for (auto* tile : {&a, &b, &c})
      for (auto& row : *tile)
        for (auto& byte : row) byte = static_cast<unsigned char>(pick(0, 255));
    if (!bytes) {
      // Exponents around 2^-120, 2^-60 or 1, so that products and sums are denormal, tiny or
      // usual; some denormal factors; now and then an infinity or a NaN.
      const int centre = std::array{7, 67, 127}[static_cast<size_t>(i / 2 % 3)];
      const auto setHalf = [&](unsigned char* p) {
        int exponent = centre + pick(-7, 7);
        if (pick(0, 30) == 0) exponent = 0;
        if (i % 64 == 0 && pick(0, 200) == 0) exponent = 255;
        const auto x = static_cast<std::uint16_t>(pick(0, 1) << 15 | exponent << 7 | pick(0, 127));
        std::memcpy(p, &x, 2);
      };
      for (int r = 0; r < 16; ++r)
        for (int k = 0; k < 64; k += 2) {
          setHalf(a[r] + k);
          setHalf(b[r] + k);
          if (k % 4 == 2) setHalf(c[r] + k);
        }
    }
    std::memcpy(twin, c, sizeof c);
    multiplyTiles<AmxTiles<EmulatedTiles::Vector>>(bytes, rows, depth, columns, c, a, b);
    multiplyTiles<EmulatedTiles>(bytes, rows, depth, columns, twin, a, b);
    for (int r = 0; r < 16; ++r)
      for (int n = 0; n < 16; ++n) {
        std::uint32_t got, expected;
        std::memcpy(&got, c[r] + 4 * n, 4);
        std::memcpy(&expected, twin[r] + 4 * n, 4);
        const auto isNan = [](std::uint32_t x) { return (x & 0x7fffffffu) > 0x7f800000u; };
        if (!bytes && isNan(got) && isNan(expected)) continue;
        ASSERT_EQ(got, expected) << "case " << i << " depth " << depth << " row " << r << " column "
                                 << n;
      }
  }
}

double activate(const Epilogue& e, double x) {
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
float activateExactly(const Epilogue& e, float x) {
  switch (e.activation) {
    case Activation::kClip:
      return std::min(std::max(x, e.alpha), e.beta);
    case Activation::kLeaky:
      return x < 0 ? e.alpha * x : x;
    default:
      return static_cast<float>(activate(e, x));
  }
}

Epilogue makeEpilogue(int i) {
  Epilogue e;
  e.activation = std::array{Activation::kNone, Activation::kClip, Activation::kLeaky,
                            Activation::kSilu}[static_cast<size_t>(i % 4)];
  e.alpha = e.activation == Activation::kLeaky ? 0.1f : 0;
  e.beta = e.activation == Activation::kClip ? (i % 8 < 4 ? 1.5f : INFINITY) : 0;
  return e;
}

int64_t extent(const View& v, int64_t n, int64_t h, int64_t w, int64_t c) {
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
    const auto slice = [&](int64_t h, int64_t w, int64_t c) {
      const int64_t pixel = c + pick(1, 9), row = pixel * w + pick(0, 1) * pick(1, 20);
      return View{h * row + pick(0, 1) * 7, row, pixel, 1};
    };
    in = slice(shape.h, shape.w, shape.ci);
    out = slice(shape.outH(), shape.outW(), shape.co);
    residual = slice(shape.outH(), shape.outW(), shape.co);
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

  void check(const Engine& engine, const AmxConfig& config, int threads) {
    const ConvShape& s = shape;
    const AmxConvolution bound = bindAmxConv(s, config, conversion, in, out, residual, epilogue,
                                             threads, {8192, 65536}, pick(0, 3) != 0);
    const AmxPlan& plan = bound.plan;
    std::vector<std::byte> packedStore(amxPackedBytes(s, config) + 64);
    std::byte* packed = align(packedStore.data());
    if (element == Element::kUInt8) {
      packAmxBytes(s, config, byteWeights.data(), scales.data(), bias.data(), conversion.inputZero,
                   packed);
    } else {
      packAmxFloat(s, config, weights.data(), bias.data(), packed);
    }
    Tensor result(conversion.output, extent(out, s.n, s.outH(), s.outW(), s.co));
    const AmxBuffers io{input.bytes.data(), packed, bound.offsets.data(), added.bytes.data(),
                        result.bytes.data()};
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile) {
      std::vector<std::byte> store(static_cast<size_t>(plan.scratchBytes) + 192, std::byte{0xff});
      std::byte* scratch = align(store.data());
      engine.kernel(plan, io, tile, scratch);
      for (std::byte* p = scratch + plan.scratchBytes; p < store.data() + store.size(); ++p) {
        ASSERT_EQ(*p, std::byte{0xff}) << "wrote beyond its scratch";
      }
    }
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
    const double value = activate(epilogue, sum + (before ? r : 0)) + (before ? 0 : r);
    // Each term rounds once in a chain of float32 sums; the functions are good to a few ulps.
    double tolerance = (magnitude + std::abs(r)) * (terms + 8) * 0x1p-24 + 1e-6;
    if (conversion.output == Element::kBFloat16)
      tolerance = tolerance * 1.01 + std::abs(value) * 0x1p-8;
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

void checkAll(AmxCase& test, bool planes = false) {
  if (planes) test.usePlanes();
  test.prepare();
  for (AmxMethod method : kAmxMethods) {
    if ((method == AmxMethod::kPlanes) != planes) continue;
    AmxConfig config;
    config.method = method;
    config.element = test.element;
    config.stripBytes = test.pick(0, 1) * test.pick(1, 5000);
    config.blocks = test.pick(0, 3);
    if (!amxSupports(test.shape, config)) continue;
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name + " " + amxMethodName(method) + " strip " +
                   std::to_string(config.stripBytes) + " blocks " + std::to_string(config.blocks) +
                   ": " + test.describe());
      test.check(engine, config, static_cast<int>(test.pick(1, 5)));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

ConvShape randomShape(std::mt19937& random) {
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

void checkRandom(Element type, unsigned seed, int cases) {
  std::mt19937 random(seed);
  for (int i = 0; i < cases && !::testing::Test::HasFailure(); ++i) {
    AmxCase test(randomShape(random), type, random);
    if (i % 3 == 0) test.conversion.output = Element::kFloat32;
    if (i % 5 == 0) test.conversion.residual = Element::kFloat32;
    test.epilogue = makeEpilogue(i);
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    if (test.pick(0, 1)) test.useSlices();
    checkAll(test);
  }
}

TEST(AmxConv, BFloat16MatchesThePlainLoopOnRandomAttributes) {
  checkRandom(Element::kBFloat16, 1, 120);
}

TEST(AmxConv, BytesMatchTheIntegerSemanticsOnRandomAttributes) {
  checkRandom(Element::kUInt8, 2, 120);
}

// Of many rows a tap.
TEST(AmxConv, MatchesThePlainLoopOnManyChannels) {
  std::mt19937 random(8);
  for (int i = 0; i < 16 && !HasFailure(); ++i) {
    const Element type = i % 2 ? Element::kUInt8 : Element::kBFloat16;
    ConvShape s = randomShape(random);
    AmxCase pick(s, type, random);
    s.n = 1;
    s.ci = (i % 2 ? 500 : 250) + pick.pick(0, 20);
    s.co = pick.pick(1, 40);
    AmxCase test(s, type, random);
    test.epilogue = makeEpilogue(i / 2);
    checkAll(test);
  }
}

TEST(AmxConv, MatchesThePlainLoopOnPointwiseLayers) {
  std::mt19937 random(3);
  for (int i = 0; i < 40 && !HasFailure(); ++i) {
    const Element type = i % 2 ? Element::kUInt8 : Element::kBFloat16;
    ConvShape s;
    AmxCase pick(s, type, random);
    s.n = pick.pick(1, 40);
    s.h = pick.pick(1, 4);
    s.w = pick.pick(1, 4);
    s.ci = 2 * pick.pick(1, 150);
    s.co = pick.pick(1, 150);
    AmxCase test(s, type, random);
    test.epilogue = makeEpilogue(i / 2);
    test.epilogue.residual = static_cast<ResidualPlace>(i % 3);
    checkAll(test);
  }
}

TEST(AmxConv, MatchesThePlainLoopOnImagesInPlanes) {
  std::mt19937 random(6);
  for (int i = 0; i < 80 && !HasFailure(); ++i) {
    ConvShape s = randomShape(random);
    AmxCase pick(s, Element::kUInt8, random);
    s.ci = pick.pick(1, 4);
    s.kw = pick.pick(1, 8);
    s.kh = pick.pick(1, 7);
    s.dh = s.dw = 1;
    s.w = s.w + s.kw + pick.pick(0, 40);
    s.h = s.h + s.kh;
    AmxCase test(s, i % 2 ? Element::kUInt8 : Element::kBFloat16, random);
    test.epilogue = makeEpilogue(i / 2);
    if (i % 3 == 0) test.conversion.output = Element::kFloat32;
    checkAll(test, true);
  }
}

TEST(AmxConv, CandidatesAreSupported) {
  std::mt19937 random(4);
  for (int i = 0; i < 200; ++i) {
    const ConvShape s = randomShape(random);
    for (Element type : {Element::kBFloat16, Element::kUInt8}) {
      const std::vector<AmxConfig> candidates = amxCandidates(s, type);
      EXPECT_FALSE(candidates.empty());
      for (const AmxConfig& c : candidates) EXPECT_TRUE(amxSupports(s, c));
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
