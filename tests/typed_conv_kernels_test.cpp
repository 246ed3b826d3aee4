// Convolutions of bfloat16 and of bytes: every instruction set that this machine has, and the
// emulated twins, against plain loops on random attributes and odd sizes.
#include "backends/cpu/simd/emulated.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/typed_conv.h"
#include "layers/byte_pairs.h"
#include "layers/float16.h"
#include "tests/conv_case.h"

namespace layerwise::cpu {
namespace {

const TypedConvKernels kEmulatedBytes16 =
    byteConvKernels<EmulatedBytesDot<16>, EmulatedShortsDot<16>>("emulated16");
const TypedConvKernels kEmulatedBytes8 =
    saturatingConvKernels<EmulatedBytesDot<8>, EmulatedShortsDot<8>, EmulatedWideBytesDot<8>,
                          EmulatedBytesDot<8>>("emulated8");
const TypedConvKernels kEmulatedBFloat16 = typedConvKernels<EmulatedBFloat16Dot<16>>("emulated16");
const TypedConvKernels kEmulatedBFloat8 = typedConvKernels<EmulatedBFloat16Dot<8>>("emulated8");

std::vector<const TypedConvKernels*> kernelsOf(Element element) {
  std::vector<const TypedConvKernels*> all = allTypedConvKernels(element);
  if (element == Element::kUInt8) {
    all.push_back(&kEmulatedBytes16);
    all.push_back(&kEmulatedBytes8);
  } else {
    all.push_back(&kEmulatedBFloat16);
    all.push_back(&kEmulatedBFloat8);
  }
  return all;
}

// A tensor of any type, its elements as the numbers that they hold.
struct Tensor {
  Tensor(Element e, const View& v, int64_t count) : element(e), view(v), elements(count) {
    // Whatever is not the tensor's is 0xff: NaN, and the largest byte.
    bytes.assign(static_cast<size_t>(count * elementBytes(e)) + 64, 0xff);
  }
  double get(int64_t i) const {
    const uint8_t* p = bytes.data() + i * elementBytes(element);
    if (element == Element::kUInt8) return *p;
    if (element == Element::kBFloat16) {
      uint16_t value;
      std::memcpy(&value, p, sizeof value);
      return bfloat16ToFloat(value);
    }
    float value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }
  void set(int64_t i, double x) {
    uint8_t* p = bytes.data() + i * elementBytes(element);
    if (element == Element::kUInt8) {
      *p = static_cast<uint8_t>(x);
    } else if (element == Element::kBFloat16) {
      const uint16_t value = bfloat16FromFloat(static_cast<float>(x));
      std::memcpy(p, &value, sizeof value);
    } else {
      const float value = static_cast<float>(x);
      std::memcpy(p, &value, sizeof value);
    }
  }
  Element element;
  View view;
  int64_t elements;
  std::vector<uint8_t> bytes;
};

class TypedCase {
 public:
  TypedCase(Element e, const ConvShape& s, std::mt19937& generator)
      : element(e), shape(s), random(generator) {}

  Element element;
  ConvShape shape;
  Epilogue epilogue;
  Conversion conversion;
  View in, out, residual;
  std::mt19937& random;

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  int64_t oneOf(std::initializer_list<int64_t> values) {
    return values.begin()[pick(0, static_cast<int64_t>(values.size()) - 1)];
  }

  int64_t leastByte = 0;

  bool isDepthwise() const {
    return shape.groups == shape.ci && shape.groups == shape.co && out.channel == 1;
  }

  // Dense tensors, or slices of wider ones with padded rows.
  void chooseViews(bool slices) {
    const auto view = [&](int64_t h, int64_t w, int64_t c) {
      if (!slices) return channelsLast(h, w, c);
      const int64_t pixel = c + pick(1, 9), row = pixel * w + pick(0, 1) * pick(1, 20);
      return View{h * row + pick(0, 1) * 7, row, pixel, 1};
    };
    in = view(shape.h, shape.w, shape.ci);
    out = view(shape.outH(), shape.outW(), shape.co);
    residual = view(shape.outH(), shape.outW(), shape.co);
  }

  // extreme: the weights of a channel have one sign, or its sums would be far from their bounds.
  void prepare(int largestWeight, bool extreme = false) {
    const ConvShape& s = shape;
    const int64_t terms = s.ci / s.groups * s.kh * s.kw;
    std::uniform_real_distribution<float> uniform(-1, 1);
    const bool isBytes = element == Element::kUInt8, folded = isBytes && pick(0, 1);
    if (isBytes) {
      conversion.inputZero = static_cast<int>(pick(0, 255));
      conversion.residualScale = folded ? 0.7f : 0.013f;
      if (folded) {
        conversion.fitsInteger = !extreme && pick(0, 3) != 0;
      } else {
        conversion.outputZero = static_cast<int>(pick(0, 255));
        conversion.residualZero = static_cast<int>(pick(0, 255));
        conversion.outputInverse = 40;
      }
      for (int64_t i = 0; i < s.co * terms; ++i)
        byteWeights.push_back(static_cast<int8_t>(extreme ? (i / terms % 2 ? 127 : -128)
                                                          : pick(-largestWeight, largestWeight)));
      for (int64_t i = 0; i < s.co; ++i)
        scales.push_back((0.5f + std::abs(uniform(random))) /
                         (100.0f * largestWeight * std::sqrt(static_cast<float>(terms))));
    } else {
      const float scale = 2 / std::sqrt(static_cast<float>(terms));
      // Depthwise kernels take weights of float32 as they are.
      const bool rounded = element == Element::kBFloat16 && (!isDepthwise() || s.groups == 1);
      for (int64_t i = 0; i < s.co * terms; ++i) {
        const float weight = uniform(random) * scale;
        floatWeights.push_back(rounded ? bfloat16ToFloat(bfloat16FromFloat(weight)) : weight);
      }
    }
    for (int64_t i = 0; i < s.co; ++i) bias.push_back(uniform(random));
    if (folded) {
      if (epilogue.activation == Activation::kClip) {
        epilogue.alpha = epilogue.alpha * 40 + static_cast<float>(pick(0, 1) * pick(1, 60));
        epilogue.beta = epilogue.beta * 40 + 90;
      }
      for (float& scale : scales) scale *= 40;
      for (float& b : bias) b = b * 40 + 90;
    }
    input = filled(element, in, s.h, s.w, s.ci);
    added = filled(conversion.residual, residual, s.outH(), s.outW(), s.co);
  }

  // Makes weights smaller until pairs fit.
  void fitPairs() {
    const ConvShape& s = shape;
    const BytePairs pairs = BytePairs::ofConvolution(s.ci / s.groups, s.groups, s.kh, s.kw, s.dw);
    const size_t terms = pairs.channels * pairs.taps;
    for (auto of = byteWeights.begin(); of != byteWeights.end();
         of += static_cast<std::ptrdiff_t>(terms))
      for (size_t i = 0; i < terms; ++i)
        if (const auto other = pairs.partner(i))
          while (!BytePairs::fits(of[i], of[*other])) of[i] /= 2;
  }

  void check(const TypedConvKernels& kernels, const ConvConfig& config, bool pairsFit,
             int threads) {
    const ConvShape& s = shape;
    const ConvPlan plan =
        bindConv(s, config, in, out, residual, epilogue, threads, {8192, 65536}, conversion);
    const size_t packedSize = convPackedFloats(s, config);
    std::vector<float> packed(packedSize + 32, std::numeric_limits<float>::quiet_NaN());
    if (element == Element::kUInt8) {
      packConvBytes(s, config, byteWeights.data(), scales.data(), bias.data(), conversion.inputZero,
                    packed.data());
    } else {
      const auto pack = element == Element::kFloat32 ? packConv : packConvBFloat16;
      pack(s, config, floatWeights.data(), bias.data(), packed.data());
    }
    Tensor result(conversion.output, out, extent(out, s.n, s.outH(), s.outW(), s.co) + 64);
    const TypedConvBuffers io{input.bytes.data(), packed.data(), added.bytes.data(),
                              result.bytes.data()};
    constexpr float kGuard = 12345;
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile) {
      std::vector<float> scratch(static_cast<size_t>(plan.scratchFloats) + 64,
                                 std::numeric_limits<float>::quiet_NaN());
      const size_t aligned = 16 - (reinterpret_cast<uintptr_t>(scratch.data()) / 4) % 16;
      const size_t end = aligned + static_cast<size_t>(plan.scratchFloats);
      std::fill(scratch.begin() + static_cast<std::ptrdiff_t>(end), scratch.end(), kGuard);
      kernels.convolution(config.method, pairsFit)(plan, io, tile, scratch.data() + aligned);
      for (size_t i = end; i < scratch.size(); ++i)
        ASSERT_EQ(scratch[i], kGuard) << "wrote beyond its scratch";
    }
    int bad = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t y = 0; y < s.outH(); ++y)
        for (int64_t x = 0; x < s.outW(); ++x)
          for (int64_t o = 0; o < s.co; ++o) {
            const int64_t at = n * out.image + y * out.row + x * out.pixel + o * out.channel;
            const std::string wrong = compare(n, y, x, o, result.get(at));
            if (!wrong.empty() && bad++ < 3)
              ADD_FAILURE() << "image " << n << " y " << y << " x " << x << " channel " << o << ": "
                            << wrong;
            std::memset(result.bytes.data() + at * elementBytes(result.element), 0xff,
                        static_cast<size_t>(elementBytes(result.element)));
          }
    for (size_t i = 0; i < result.bytes.size(); ++i)
      ASSERT_EQ(result.bytes[i], 0xff) << "wrote outside its slice at byte " << i;
  }

  bool winogradFits() const {
    return winogradSumsFit(shape, ConvMethod::kWinograd4, byteWeights.data());
  }

  std::string describe() const {
    const ConvShape& s = shape;
    std::string text;
    for (int64_t v : {s.n, s.h, s.w, s.ci, s.co, s.kh, s.kw, s.sh, s.sw, s.pt, s.pl, s.pb, s.pr,
                      s.dh, s.dw, s.groups})
      text += std::to_string(v) + " ";
    return "n h w ci co kh kw sh sw pt pl pb pr dh dw groups = " + text + " activation " +
           std::to_string(static_cast<int>(epilogue.activation)) + " residual " +
           std::to_string(static_cast<int>(epilogue.residual)) + " output " +
           std::to_string(static_cast<int>(conversion.output));
  }

 private:
  Tensor filled(Element e, const View& v, int64_t h, int64_t w, int64_t c) {
    Tensor t(e, v, extent(v, shape.n, h, w, c));
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int64_t n = 0; n < shape.n; ++n)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
          for (int64_t i = 0; i < c; ++i)
            t.set(
                n * v.image + y * v.row + x * v.pixel + i * v.channel,
                e == Element::kUInt8 ? static_cast<double>(pick(leastByte, 255)) : uniform(random));
    return t;
  }

  template <class Visit>
  void forEachTerm(int64_t n, int64_t y, int64_t x, int64_t o, const Visit& visit) const {
    const ConvShape& s = shape;
    const int64_t groupCi = s.ci / s.groups, group = o / (s.co / s.groups);
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t iy = y * s.sh - s.pt + ky * s.dh, ix = x * s.sw - s.pl + kx * s.dw;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        for (int64_t i = 0; i < groupCi; ++i)
          visit(input.get(n * in.image + iy * in.row + ix * in.pixel +
                          (group * groupCi + i) * in.channel),
                static_cast<size_t>(((o * groupCi + i) * s.kh + ky) * s.kw + kx));
      }
  }

  // What is wrong with a result, or nothing.
  std::string compare(int64_t n, int64_t y, int64_t x, int64_t o, double got) const {
    const auto channel = static_cast<size_t>(o);
    const double r = added.get(n * residual.image + y * residual.row + x * residual.pixel + o);
    return element == Element::kUInt8 ? compareBytes(n, y, x, o, channel, r, got)
                                      : compareFloats(n, y, x, o, channel, r, got);
  }

  std::string compareBytes(int64_t n, int64_t y, int64_t x, int64_t o, size_t channel, double r,
                           double got) const {
    int sum = 0;
    forEachTerm(n, y, x, o, [&](double value, size_t weight) {
      sum += (static_cast<int>(value) - conversion.inputZero) * byteWeights[weight];
    });
    float value = std::fma(static_cast<float>(sum), scales[channel], bias[channel]);
    float more = static_cast<float>(r);
    if (conversion.residual == Element::kUInt8)
      more = static_cast<float>(static_cast<int>(r) - conversion.residualZero);
    if (epilogue.residual == ResidualPlace::kBeforeActivation)
      value = std::fma(more, conversion.residualScale, value);
    const double real = activate(epilogue, value);
    float finished = static_cast<float>(real);
    if (epilogue.activation == Activation::kLeaky && value < 0) finished = epilogue.alpha * value;
    if (epilogue.residual == ResidualPlace::kAfterActivation)
      finished = std::fma(more, conversion.residualScale, finished);
    const bool plain = epilogue.activation <= Activation::kLeaky;
    if (conversion.output == Element::kFloat32) {
      const double error = std::abs(got - finished);
      if (plain ? error == 0 : error <= 4e-6 * (1 + std::abs(finished))) return "";
      return std::to_string(got) + " instead of " + std::to_string(finished);
    }
    const float scaled = finished * conversion.outputInverse;
    const double rounded = std::nearbyint(scaled) + conversion.outputZero;
    const double expected = std::clamp(rounded, 0.0, 255.0);
    if (got == expected) return "";
    const double fraction = std::abs(scaled - std::floor(scaled) - 0.5);
    if (!plain && std::abs(got - expected) <= 1 && fraction <= 1e-4 * (1 + std::abs(scaled)))
      return "";
    return std::to_string(got) + " instead of " + std::to_string(expected) + " from " +
           std::to_string(scaled);
  }

  std::string compareFloats(int64_t n, int64_t y, int64_t x, int64_t o, size_t channel, double r,
                            double got) const {
    double sum = bias[channel], size = 1 + std::abs(sum);
    forEachTerm(n, y, x, o, [&](double value, size_t weight) {
      const double term = value * floatWeights[weight];
      sum += term;
      size += std::abs(term);
    });
    const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
    if (epilogue.residual == ResidualPlace::kNone) r = 0;
    const double activated = activate(epilogue, sum + (before ? r : 0));
    const double expected = activated + (before ? 0 : r);
    double magnitude = size + std::abs(r) + std::abs(expected);
    if (epilogue.activation == Activation::kExp) magnitude *= 1 + std::abs(expected);
    double tolerance = 2e-6 * magnitude;
    if (conversion.output == Element::kBFloat16) {
      tolerance += std::abs(expected) * 0x1.01p-8;
      if (epilogue.activation == Activation::kSilu)
        tolerance += std::abs(activated) * kReducedSiluError;
    }
    if (std::abs(got - expected) <= tolerance) return "";
    return std::to_string(got) + " instead of " + std::to_string(expected);
  }

  std::vector<int8_t> byteWeights;
  std::vector<float> floatWeights, scales, bias;
  Tensor input{Element::kUInt8, {}, 0}, added{Element::kUInt8, {}, 0};
};

// Those to test; none: any but Winograd's.
using Methods = std::vector<ConvMethod>;

ConvConfig configFor(TypedCase& test, const TypedConvKernels& kernels, bool pairsFit,
                     const Methods& methods) {
  ConvConfig c;
  do {
    c = ConvConfig{};
    c.element = test.element;
    c.width = static_cast<uint8_t>(kernels.width);
    c.vectors = static_cast<uint8_t>(test.pick(1, kMaxVectors));
    c.pixels = static_cast<uint8_t>(test.pick(1, kMaxPixels));
    c.twoRows = test.pick(0, 1);
    if (kernels.wide && test.pick(0, 1)) c.method = ConvMethod::kWide;
    if (kernels.matched && test.pick(0, 2) == 0) c.method = ConvMethod::kMatched;
    if (test.isDepthwise() && test.pick(0, 1)) c.method = ConvMethod::kDepthwise;
    if (!methods.empty()) {
      c.method =
          methods[static_cast<size_t>(test.pick(0, static_cast<int64_t>(methods.size()) - 1))];
    }
    if (c.method == ConvMethod::kDepthwise) {
      c.vectors = static_cast<uint8_t>(elementsPerWord(test.element));
    }
    c.copyInput = test.pick(0, 1);
    c.stripPixels = test.pick(0, 1) * test.pick(1, 60);
    c.blocks = test.pick(0, 3);
  } while (!convSupports(test.shape, c) || !kernels.convolution(c.method, pairsFit));
  return c;
}

void checkAll(TypedCase& test, bool pairsFit, const Methods& methods = {}) {
  for (const TypedConvKernels* kernels : kernelsOf(test.element)) {
    const auto exists = [&](ConvMethod m) { return kernels->convolution(m, pairsFit); };
    if (!std::all_of(methods.begin(), methods.end(), exists)) continue;
    for (int attempt = 0; attempt < 3; ++attempt) {
      const bool fit = pairsFit && attempt > 0;
      const ConvConfig config = configFor(test, *kernels, fit, methods);
      SCOPED_TRACE(std::string(kernels->name) + " " + convMethodName(config.method) + " vectors " +
                   std::to_string(config.vectors) + " pixels " + std::to_string(config.pixels) +
                   " two rows " + std::to_string(config.twoRows) + " copy " +
                   std::to_string(config.copyInput) + " strip " +
                   std::to_string(config.stripPixels) + " blocks " + std::to_string(config.blocks) +
                   ": " + test.describe());
      test.check(*kernels, config, fit, static_cast<int>(test.pick(1, 5)));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

void checkRandomCases(Element element) {
  std::mt19937 random(5);
  for (int i = 0; i < 150 && !::testing::Test::HasFailure(); ++i) {
    ConvShape shape = randomShape(random);
    TypedCase test(element, shape, random);
    ConvConfig any;
    any.element = element;
    if (!convSupports(shape, any)) continue;
    test.epilogue = makeEpilogue(static_cast<Activation>(i % kActivations));
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    test.conversion.output = test.pick(0, 2) ? element : Element::kFloat32;
    test.conversion.residual = test.pick(0, 1) ? element : Element::kFloat32;
    const int64_t views = test.pick(0, 3);
    test.chooseViews(views == 1);
    if (views == 2) {
      test.out = channelsFirst(shape.outH(), shape.outW(), shape.co);
    }
    // Pairs fit, and all, some or none of the words match.
    const int largest = std::array{127, 64, 40, 30}[static_cast<size_t>(test.pick(0, 3))];
    if (test.pick(0, 1)) test.leastByte = 250;
    test.prepare(largest);
    checkAll(test, largest <= 64);
  }
}

TEST(TypedConvKernels, BytesMatchThePlainLoop) {
  checkRandomCases(Element::kUInt8);
}
TEST(TypedConvKernels, BFloat16MatchesThePlainLoop) {
  checkRandomCases(Element::kBFloat16);
}

// Rows of a kernel are one run, and pairs fit but for those that other orders would make.
TEST(TypedConvKernels, BytesOfFewChannelsMatchThePlainLoop) {
  std::mt19937 random(13);
  for (int i = 0; i < 150 && !HasFailure(); ++i) {
    ConvShape shape;
    TypedCase test(Element::kUInt8, shape, random);
    ConvShape& s = test.shape;
    s.n = test.oneOf({1, 2});
    s.h = test.oneOf({1, 3, 8, 13}), s.w = test.oneOf({1, 4, 7, 13, 31});
    s.ci = test.oneOf({1, 2, 3, 3, 5, 6, 7}), s.co = test.oneOf({3, 8, 17, 32, 58});
    s.kh = test.pick(1, 7), s.kw = test.pick(1, 7);
    s.sh = test.pick(1, 3), s.sw = test.pick(1, 4);
    s.dh = test.oneOf({1, 1, 2}), s.dw = test.oneOf({1, 1, 1, 1, 2});
    if (test.pick(0, 2)) {
      s.pt = test.pick(0, s.kh - 1), s.pb = test.pick(0, s.kh - 1);
      s.pl = test.pick(0, s.kw - 1), s.pr = test.pick(0, s.kw - 1);
    }
    if (s.h + s.pt + s.pb < (s.kh - 1) * s.dh + 1 || s.w + s.pl + s.pr < (s.kw - 1) * s.dw + 1)
      continue;
    test.epilogue = makeEpilogue(static_cast<Activation>(i % kActivations));
    test.conversion.output = test.pick(0, 2) ? Element::kUInt8 : Element::kFloat32;
    test.chooseViews(test.pick(0, 2) == 0);
    if (test.pick(0, 1)) test.leastByte = 250;
    test.prepare(127);
    test.fitPairs();
    checkAll(test, true);
  }
}

// The shapes that have kernels of their own, with numbers of channels that fill parts of vectors.
void checkDepthwiseCases(Element element) {
  const Element reduced = element == Element::kUInt8 ? element : Element::kBFloat16;
  std::mt19937 random(11);
  for (int i = 0; i < 120 && !::testing::Test::HasFailure(); ++i) {
    ConvShape shape;
    TypedCase test(element, shape, random);
    ConvShape& s = test.shape;
    s.n = test.oneOf({1, 2});
    s.h = test.oneOf({1, 2, 3, 7, 8, 17}), s.w = test.oneOf({1, 2, 4, 7, 10, 14, 19, 29});
    s.groups = s.ci = s.co = test.oneOf({1, 8, 16, 20, 32, 40, 64, 70, 96, 144});
    s.kh = s.kw = 3;
    s.sh = s.sw = test.oneOf({1, 1, 2, 2, 3});
    s.dh = s.dw = test.oneOf({1, 1, 1, 2});
    s.pt = test.oneOf({1, 2, 4}), s.pl = test.oneOf({1, 2, 3}), s.pb = test.oneOf({1, 2, 3}),
    s.pr = test.oneOf({1, 2, 5});
    if (s.h > 4 && s.w > 4)
      s.pt = test.oneOf({0, 1}), s.pl = test.oneOf({0, 1}), s.pr = test.oneOf({0, 1});
    if (s.outH() < 1 || s.outW() < 1) continue;
    const bool plain = test.pick(0, 2) != 0;  // what needs no more than scales and clamps
    if (plain) {
      test.epilogue = makeEpilogue(Activation::kClip);
    } else {
      test.epilogue = makeEpilogue(static_cast<Activation>(i % kActivations));
      test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    }
    test.conversion.output = plain || test.pick(0, 1) ? reduced : Element::kFloat32;
    test.conversion.residual = test.pick(0, 1) ? reduced : Element::kFloat32;
    test.chooseViews(test.pick(0, 1));
    const int largest = test.pick(0, 1) ? 127 : 64;
    if (test.pick(0, 1)) test.leastByte = 250;
    test.prepare(largest);
    checkAll(test, largest == 64, {ConvMethod::kDepthwise});
  }
}

TEST(TypedConvKernels, DepthwiseBytesMatchThePlainLoop) {
  checkDepthwiseCases(Element::kUInt8);
}
TEST(TypedConvKernels, DepthwiseBFloat16MatchesThePlainLoop) {
  checkDepthwiseCases(Element::kBFloat16);
}
TEST(TypedConvKernels, DepthwiseFloat32ToBFloat16MatchesThePlainLoop) {
  checkDepthwiseCases(Element::kFloat32);
}

TEST(TypedConvKernels, BytesByWinogradMatchThePlainLoop) {
  std::mt19937 random(7);
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    ConvShape shape;
    TypedCase test(Element::kUInt8, shape, random);
    ConvShape& s = test.shape;
    s.n = test.oneOf({1, 2});
    s.h = test.oneOf({1, 3, 8, 14, 17}), s.w = test.oneOf({1, 4, 7, 13, 28});
    s.ci = test.oneOf({1, 3, 17, 58, 64, 112}), s.co = test.oneOf({1, 8, 17, 58, 70});
    s.kh = s.kw = 3;
    s.pt = test.oneOf({1, 2}), s.pl = test.oneOf({1, 3}), s.pb = test.oneOf({1, 2}),
    s.pr = test.oneOf({1, 2});
    test.epilogue = makeEpilogue(static_cast<Activation>(i % kActivations));
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    test.conversion.output = test.pick(0, 2) ? Element::kUInt8 : Element::kFloat32;
    test.conversion.residual = test.pick(0, 1) ? Element::kUInt8 : Element::kFloat32;
    test.chooseViews(test.pick(0, 1));
    const bool extreme = test.pick(0, 1);
    if (extreme) test.leastByte = 250;
    test.prepare(127, extreme);
    ASSERT_TRUE(test.winogradFits());
    checkAll(test, false, {ConvMethod::kWinograd2, ConvMethod::kWinograd4});
  }
}

TEST(TypedConvKernels, WinogradSumsFitWhereTheirBitsAreKept) {
  ConvShape s;
  s.ci = 115;
  s.kh = s.kw = 3;
  std::vector<int8_t> weights(9 * 116, 127);
  EXPECT_TRUE(winogradSumsFit(s, ConvMethod::kWinograd4, weights.data()));
  s.ci = 116;
  EXPECT_FALSE(winogradSumsFit(s, ConvMethod::kWinograd4, weights.data()));
  EXPECT_TRUE(winogradSumsFit(s, ConvMethod::kWinograd2, weights.data()));
  for (int8_t& w : weights) w = -127;
  EXPECT_FALSE(winogradSumsFit(s, ConvMethod::kWinograd4, weights.data()));
}

TEST(TypedConvKernels, EverySetHasCandidates) {
  ConvShape dense, depthwise;
  dense.ci = dense.co = depthwise.ci = depthwise.co = depthwise.groups = 8;
  for (Element element : {Element::kBFloat16, Element::kUInt8}) {
    for (const TypedConvKernels* kernels : allTypedConvKernels(element)) {
      for (const ConvShape& shape : {dense, depthwise}) {
        const std::vector<ConvConfig> candidates =
            typedConvCandidates(shape, element, kernels->width, kernels->registers);
        ASSERT_FALSE(candidates.empty()) << kernels->name;
        EXPECT_EQ(candidates.front().method == ConvMethod::kDepthwise, shape.groups > 1)
            << kernels->name;
        for (const ConvConfig& c : candidates) EXPECT_TRUE(convSupports(shape, c)) << kernels->name;
      }
    }
  }
}

// The bits of sums of products of any numbers, denormal and not finite ones included.
void compareBits(const TypedConvKernels& twin, const TypedConvKernels& hardware, ConvConfig c,
                 int64_t ci) {
  std::mt19937 random(6);
  ConvShape s;
  s.w = 19;
  s.ci = ci;
  s.co = 16;
  c.element = Element::kBFloat16;
  c.width = 16;
  c.vectors = 1;
  const View in = channelsLast(1, s.w, s.ci), out = channelsLast(1, s.w, s.co);
  const ConvPlan plan = bindConv(s, c, in, out, out, {}, 1);
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<float> weights(static_cast<size_t>(s.ci * s.co)), bias(16);
    std::vector<uint16_t> input(static_cast<size_t>(s.w * s.ci) + 32);
    const auto number = [&] {  // of any exponent, or of the smallest ones
      const uint32_t exponent = trial % 2 ? random() % 255 : random() % 128;
      return static_cast<uint16_t>((random() & 0x8000) | exponent << 7 | (random() & 0x7f));
    };
    for (float& w : weights) w = bfloat16ToFloat(number());
    for (float& b : bias) b = trial % 3 ? 0 : bfloat16ToFloat(number());
    for (uint16_t& x : input) x = number();
    std::vector<float> packed(convPackedFloats(s, c) + 16);
    packConvBFloat16(s, c, weights.data(), bias.data(), packed.data());
    std::vector<float> scratch(static_cast<size_t>(plan.scratchFloats)), results[2];
    for (int i = 0; i < 2; ++i) {
      results[i].resize(static_cast<size_t>(s.w * s.co) + 16);
      for (int64_t tile = 0; tile < plan.tiles; ++tile)
        (i ? hardware : twin)
            .direct(plan, {input.data(), packed.data(), nullptr, results[i].data()}, tile,
                    scratch.data());
    }
    for (size_t i = 0; i < static_cast<size_t>(s.w * s.co); ++i) {
      if (std::isnan(results[0][i]) && std::isnan(results[1][i])) continue;
      uint32_t bits[2];
      for (int k = 0; k < 2; ++k) std::memcpy(&bits[k], &results[k][i], sizeof bits[k]);
      ASSERT_EQ(bits[0], bits[1]) << "trial " << trial << " at " << i;
    }
  }
}

TEST(TypedConvKernels, TheTwinOfBFloat16HasTheBitsOfTheHardware) {
  const CpuChoice& cpu = availableCpus().back();
  if (!hasBFloat16Arithmetic(cpu)) GTEST_SKIP() << "no AVX512-BF16 here";
  ConvConfig c;
  c.pixels = 5;
  compareBits(kEmulatedBFloat16, typedConvKernels(Element::kBFloat16, cpu), c, 4);
}

}  // namespace
}  // namespace layerwise::cpu
