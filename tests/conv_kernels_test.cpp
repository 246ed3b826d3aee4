// Every convolution kernel of every available instruction set, and the emulated twins at both
// widths, against a plain double loop on random attributes and odd sizes.
#include "backends/cpu/simd/emulated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backends/cpu/kernels/conv.h"
#include "tests/conv_case.h"
#include "tests/slice_of.h"

namespace layerwise::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kGuard = 12345.0f;

struct Engine {
  std::string name;
  int width, registers;
  ConvKernels table;
};

std::vector<Engine> engines() {
  std::vector<Engine> all{{"emulated8", 8, 16, convKernels<Emulated<8>>()},
                          {"emulated16", 16, 32, convKernels<Emulated<16>>()}};
  for (Isa isa : availableIsas()) {
    const KernelTable& t = kernels(isa);
    all.push_back({isaName(isa), t.width, t.registers, *t.conv});
  }
  return all;
}

ConvKernel kernelOf(const Engine& engine, ConvMethod method) {
  return KernelTable{Isa::kPortable, engine.width, engine.registers, &engine.table, nullptr}
      .convolution(method);
}

// An aligned array whose 64 bytes beyond the end are NaN.
struct Buffer {
  explicit Buffer(int64_t count, float fill) : store(count + 64, kNan) {
    start = 16 - (reinterpret_cast<uintptr_t>(store.data()) / 4) % 16;
    std::fill_n(data(), count, fill);
    std::fill(store.begin() + start + count, store.end(), kNan);
  }
  float* data() { return store.data() + start; }
  std::vector<float> store;
  int64_t start;
};

class ConvCase {
 public:
  ConvShape shape;
  Epilogue epilogue;
  View in, out, residual;
  std::mt19937& random;

  ConvCase(const ConvShape& s, std::mt19937& generator) : shape(s), random(generator) {
    in = channelsLast(s.h, s.w, s.ci);
    out = residual = channelsLast(s.outH(), s.outW(), s.co);
  }

  // Slices of wider tensors with padded rows.
  void useSlices() {
    in = sliceOf(shape.h, shape.w, shape.ci, random);
    out = sliceOf(shape.outH(), shape.outW(), shape.co, random);
    residual = sliceOf(shape.outH(), shape.outW(), shape.co, random);
  }

  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }

  void prepare() {
    const ConvShape& s = shape;
    std::uniform_real_distribution<float> uniform(-1, 1);
    weights.resize(s.co * (s.ci / s.groups) * s.kh * s.kw);
    bias.resize(s.co);
    const float scale = 2 / std::sqrt(static_cast<float>(weights.size() / s.co));
    for (float& x : weights) x = uniform(random) * scale;
    for (float& x : bias) x = uniform(random);
    input = fillView(in, s.h, s.w, s.ci, uniform);
    added = fillView(residual, s.outH(), s.outW(), s.co, uniform);
    expected.resize(s.n * s.outH() * s.outW() * s.co);
    magnitude.resize(expected.size());
    int64_t index = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t y = 0; y < s.outH(); ++y)
        for (int64_t x = 0; x < s.outW(); ++x)
          for (int64_t o = 0; o < s.co; ++o, ++index) reference(n, y, x, o, index);
  }

  void check(const Engine& engine, const ConvConfig& config, int threads) {
    const ConvShape& s = shape;
    const ConvPlan plan = bindConv(s, config, in, out, residual, epilogue, threads, {8192, 65536});
    const size_t packedSize = convPackedFloats(s, config);
    Buffer packed(packedSize, kGuard);
    packConv(s, config, weights.data(), bias.data(), packed.data());
    Buffer result(extent(out, s.n, s.outH(), s.outW(), s.co) + 64, kGuard);
    const ConvBuffers io{input.data(), packed.data(), added.data(), result.data()};
    for (int64_t tile = plan.tiles - 1; tile >= 0; --tile) {
      Buffer scratch(plan.scratchFloats, kNan);
      kernelOf(engine, config.method)(plan, io, tile, scratch.data());
      for (size_t i = scratch.start + plan.scratchFloats; i < scratch.store.size(); ++i) {
        ASSERT_TRUE(std::isnan(scratch.store[i])) << "wrote beyond its scratch";
      }
    }
    const double tolerance = config.method == ConvMethod::kWinograd4   ? 6e-6
                             : config.method == ConvMethod::kWinograd2 ? 4e-6
                                                                       : 2e-6;
    int64_t index = 0, bad = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t y = 0; y < s.outH(); ++y)
        for (int64_t x = 0; x < s.outW(); ++x)
          for (int64_t o = 0; o < s.co; ++o, ++index) {
            float& got =
                result.data()[n * out.image + y * out.row + x * out.pixel + o * out.channel];
            const double error = std::abs(got - expected[index]);
            if (!(error <= tolerance * magnitude[index]) && bad++ < 3) {
              ADD_FAILURE() << "image " << n << " y " << y << " x " << x << " channel " << o << ": "
                            << got << " instead of " << expected[index];
            }
            got = kGuard;
          }
    for (size_t i = 0; i < static_cast<size_t>(extent(out, s.n, s.outH(), s.outW(), s.co)) + 64;
         ++i) {
      ASSERT_EQ(result.data()[i], kGuard) << "wrote outside its slice at " << i;
    }
  }

  std::string describe() const {
    const ConvShape& s = shape;
    std::string text;
    for (int64_t v : {s.n, s.h, s.w, s.ci, s.co, s.kh, s.kw, s.sh, s.sw, s.pt, s.pl, s.pb, s.pr,
                      s.dh, s.dw, s.groups}) {
      text += std::to_string(v) + " ";
    }
    return "n h w ci co kh kw sh sw pt pl pb pr dh dw groups = " + text + " activation " +
           std::to_string(static_cast<int>(epilogue.activation)) + " residual " +
           std::to_string(static_cast<int>(epilogue.residual));
  }

 private:
  template <class D>
  std::vector<float> fillView(const View& v, int64_t h, int64_t w, int64_t c, D& distribution) {
    std::vector<float> data(extent(v, shape.n, h, w, c) + 16, kNan);
    for (int64_t n = 0; n < shape.n; ++n)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
          for (int64_t i = 0; i < c; ++i) {
            data[n * v.image + y * v.row + x * v.pixel + i * v.channel] = distribution(random);
          }
    return data;
  }

  // magnitude is what a rounding error is relative to: the sum of the terms' absolute values.
  void reference(int64_t n, int64_t y, int64_t x, int64_t o, int64_t index) {
    const ConvShape& s = shape;
    const int64_t groupCi = s.ci / s.groups, group = o / (s.co / s.groups);
    double sum = bias[o], size = 1 + std::abs(bias[o]);
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const int64_t iy = y * s.sh - s.pt + ky * s.dh, ix = x * s.sw - s.pl + kx * s.dw;
        if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
        for (int64_t i = 0; i < groupCi; ++i) {
          const double term = static_cast<double>(input[n * in.image + iy * in.row + ix * in.pixel +
                                                        (group * groupCi + i) * in.channel]) *
                              weights[((o * groupCi + i) * s.kh + ky) * s.kw + kx];
          sum += term;
          size += std::abs(term);
        }
      }
    const double r = epilogue.residual == ResidualPlace::kNone
                         ? 0
                         : added[n * residual.image + y * residual.row + x * residual.pixel + o];
    const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
    expected[index] = activate(epilogue, sum + (before ? r : 0)) + (before ? 0 : r);
    magnitude[index] = size + std::abs(r) + std::abs(expected[index]);
    // exp multiplies the error of its argument by its result.
    if (epilogue.activation == Activation::kExp) magnitude[index] *= 1 + std::abs(expected[index]);
  }

  std::vector<float> weights, bias, input, added;
  std::vector<double> expected, magnitude;
};

// All register tiles that a shape may use, and the tuner's choices.
std::vector<ConvConfig> configsFor(const ConvShape& s, const Engine& engine, std::mt19937& random) {
  std::vector<ConvConfig> result;
  for (ConvMethod method : {ConvMethod::kDirect, ConvMethod::kGrouped, ConvMethod::kDepthwise,
                            ConvMethod::kWinograd2, ConvMethod::kWinograd4}) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      const auto pick = [&](int low, int high) {
        return std::uniform_int_distribution<int>(low, high)(random);
      };
      ConvConfig c;
      c.method = method;
      c.width = static_cast<uint8_t>(engine.width);
      c.vectors = static_cast<uint8_t>(pick(1, kMaxVectors));
      c.pixels = static_cast<uint8_t>(pick(1, kMaxPixels));
      c.twoRows = pick(0, 1);
      c.copyInput = pick(0, 1);
      c.stripPixels = pick(0, 1) * pick(1, 60);
      c.blocks = pick(0, 3);
      for (int i = 0; i < 200 && !convSupports(s, c); ++i) {
        c.vectors = static_cast<uint8_t>(pick(1, kMaxVectors));
        c.pixels = static_cast<uint8_t>(pick(1, kMaxPixels));
        c.twoRows = pick(0, 1);
      }
      if (convSupports(s, c)) result.push_back(c);
    }
  }
  return result;
}

void checkAll(ConvCase& test, std::mt19937& random) {
  test.prepare();
  for (const Engine& engine : engines()) {
    for (const ConvConfig& config : configsFor(test.shape, engine, random)) {
      if (config.method != ConvMethod::kDirect && (test.in.channel != 1 || test.out.channel != 1)) {
        continue;
      }
      SCOPED_TRACE(engine.name + " " + convMethodName(config.method) + " vectors " +
                   std::to_string(config.vectors) + " pixels " + std::to_string(config.pixels) +
                   " two rows " + std::to_string(config.twoRows) + " copy " +
                   std::to_string(config.copyInput) + " strip " +
                   std::to_string(config.stripPixels) + " blocks " + std::to_string(config.blocks) +
                   ": " + test.describe());
      test.check(engine, config, static_cast<int>(test.pick(1, 5)));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(ConvKernels, MatchThePlainLoopOnRandomAttributes) {
  std::mt19937 random(1);
  for (int i = 0; i < 150 && !HasFailure(); ++i) {
    ConvCase test(randomShape(random), random);
    test.epilogue = makeEpilogue(static_cast<Activation>(i % kActivations));
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    const int64_t views = test.pick(0, 3);
    if (views == 1) test.useSlices();
    if (views == 2) test.in = channelsFirst(test.shape.h, test.shape.w, test.shape.ci);
    if (views == 3) test.out = channelsFirst(test.shape.outH(), test.shape.outW(), test.shape.co);
    checkAll(test, random);
  }
}

TEST(ConvKernels, MatchThePlainLoopOnThreeByThrees) {
  std::mt19937 random(2);
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    ConvShape s;
    ConvCase pick(s, random);
    s.n = pick.pick(1, 2);
    s.h = pick.pick(1, 19);
    s.w = pick.pick(1, 19);
    s.ci = std::vector<int64_t>{3, 16, 29, 64, 130}[pick.pick(0, 4)];
    s.co = std::vector<int64_t>{1, 16, 24, 66, 255}[pick.pick(0, 4)];
    s.kh = s.kw = 3;
    s.pt = pick.pick(1, 2);
    s.pl = pick.pick(1, 2);
    s.pb = pick.pick(1, 2);
    s.pr = pick.pick(1, 2);
    ConvCase test(s, random);
    test.epilogue = makeEpilogue(static_cast<Activation>(i % 5));
    test.epilogue.residual = static_cast<ResidualPlace>(i % 3);
    if (i % 2) test.useSlices();
    checkAll(test, random);
  }
}

TEST(ConvKernels, MatchThePlainLoopWherePixelsAliasInTheCache) {
  std::mt19937 random(3);
  for (const auto& [ci, co] : {std::pair<int64_t, int64_t>{512, 40}, {1024, 17}}) {
    ConvShape s;
    s.h = s.w = 5;
    s.ci = ci;
    s.co = co;
    ConvCase test(s, random);
    checkAll(test, random);
  }
}

TEST(ConvKernels, CandidatesAreSupportedAndAgree) {
  std::mt19937 random(4);
  for (int i = 0; i < 40 && !HasFailure(); ++i) {
    ConvCase test(randomShape(random), random);
    test.prepare();
    for (Isa isa : availableIsas()) {
      const std::vector<ConvConfig> candidates = convCandidates(test.shape, isa);
      ASSERT_FALSE(candidates.empty());
      const KernelTable& t = kernels(isa);
      for (const ConvConfig& c : candidates) {
        ASSERT_TRUE(convSupports(test.shape, c));
        test.check({isaName(isa), t.width, t.registers, *t.conv}, c, 2);
      }
    }
  }
}

// The order of summation is the configuration's alone: the same bits however the work is split,
// whatever the batch.
TEST(ConvKernels, BitsDoNotDependOnPartitionOrBatch) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (Isa isa : availableIsas()) {
    for (const bool pointwise : {false, true}) {
      ConvShape s;
      s.n = 3;
      s.h = 9;
      s.w = 11;
      s.ci = 33;
      s.co = 70;
      if (!pointwise) s.kh = s.kw = 3, s.pt = s.pl = s.pb = s.pr = 1;
      for (const ConvConfig& config : convCandidates(s, isa)) {
        std::vector<float> weights(s.co * s.ci * s.kh * s.kw), input(s.n * s.h * s.w * s.ci + 16);
        for (float& x : weights) x = uniform(random);
        for (float& x : input) x = uniform(random);
        std::vector<float> packed(convPackedFloats(s, config) + 16);
        packConv(s, config, weights.data(), nullptr, packed.data());
        const int64_t image = s.outH() * s.outW() * s.co;
        const auto run = [&](ConvShape shape, int threads, const float* in, float* out) {
          const View inView = channelsLast(s.h, s.w, s.ci),
                     view = channelsLast(s.outH(), s.outW(), s.co);
          const ConvPlan plan = bindConv(shape, config, inView, view, view, {}, threads);
          std::vector<float> scratch(plan.scratchFloats);
          for (int64_t tile = 0; tile < plan.tiles; ++tile) {
            kernels(isa).convolution(config.method)(plan, {in, packed.data(), nullptr, out}, tile,
                                                    scratch.data());
          }
        };
        std::vector<float> batched(s.n * image), single(s.n * image);
        run(s, 1, input.data(), batched.data());
        ConvShape one = s;
        one.n = 1;
        for (int64_t n = 0; n < s.n; ++n) {
          run(one, 7, input.data() + n * s.h * s.w * s.ci, single.data() + n * image);
        }
        EXPECT_EQ(batched, single) << isaName(isa) << " " << convMethodName(config.method);
      }
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
