// Pooling, pointwise, upsampling and reformats of every available instruction set and of the
// emulated twins, against plain loops over the same views.
#include "backends/cpu/simd/emulated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/tensor_ops.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kGuard = 12345.0f;

struct Engine {
  std::string name;
  TensorKernels table;
};

std::vector<Engine> engines() {
  std::vector<Engine> all{{"emulated8", tensorKernels<Emulated<8>>()},
                          {"emulated16", tensorKernels<Emulated<16>>()}};
  for (Isa isa : availableIsas()) all.push_back({isaName(isa), *kernels(isa).tensor});
  return all;
}

struct TypedEngine {
  std::string name;
  TypedTensorKernels table;
};

std::vector<TypedEngine> typedEngines() {
  std::vector<TypedEngine> all{{"emulated8", typedTensorKernels<Emulated<8>>()},
                               {"emulated16", typedTensorKernels<Emulated<16>>()}};
  for (Isa isa : availableIsas()) all.push_back({isaName(isa), *kernels(isa).typed});
  return all;
}

// A tensor in a wider storage: NaN where an input has no element, a guard value where an output has
// none.
struct Tensor {
  int64_t n, h, w, c;
  View view;
  std::vector<float> data;

  Tensor(int64_t n_, int64_t h_, int64_t w_, int64_t c_, View v, float fill)
      : n(n_), h(h_), w(w_), c(c_), view(v) {
    data.assign((n - 1) * v.image + (h - 1) * v.row + (w - 1) * v.pixel + (c - 1) * v.channel + 33,
                fill);
  }
  float& at(int64_t i, int64_t y, int64_t x, int64_t k) {
    return data[i * view.image + y * view.row + x * view.pixel + k * view.channel];
  }
  void forEach(const std::function<void(int64_t, int64_t, int64_t, int64_t)>& visit) const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
          for (int64_t k = 0; k < c; ++k) visit(i, y, x, k);
  }
};

class TensorKernelsTest : public ::testing::Test {
 protected:
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  View sliceView(int64_t h, int64_t w, int64_t c) {
    const int64_t pixel = c + pick(0, 1) * pick(1, 9), row = pixel * w + pick(0, 1) * 5;
    return {h * row, row, pixel, 1};
  }
  Tensor input(int64_t n, int64_t h, int64_t w, int64_t c, View v) {
    Tensor t(n, h, w, c, v, kNan);
    std::uniform_real_distribution<float> uniform(-3, 3);
    t.forEach(
        [&](int64_t i, int64_t y, int64_t x, int64_t k) { t.at(i, y, x, k) = uniform(random); });
    return t;
  }
  // Compares and then checks that nothing else was written.
  void check(Tensor& got, const std::function<double(int64_t, int64_t, int64_t, int64_t)>& expected,
             double tolerance) {
    int64_t bad = 0;
    got.forEach([&](int64_t i, int64_t y, int64_t x, int64_t k) {
      const double want = expected(i, y, x, k);
      float& value = got.at(i, y, x, k);
      const bool same = want == value || std::abs(value - want) <= tolerance * (1 + std::abs(want));
      if (!same && bad++ < 3) {
        ADD_FAILURE() << i << " " << y << " " << x << " " << k << ": " << value << " not " << want;
      }
      value = kGuard;
    });
    for (float v : got.data) ASSERT_EQ(v, kGuard);
  }

  std::mt19937 random{7};
  const std::vector<int64_t> channelCounts{1, 3, 7, 16, 24, 58, 80, 255};
};

TEST_F(TensorKernelsTest, Pool) {
  for (int round = 0; round < 60; ++round) {
    PoolPlan p;
    p.kind = static_cast<PoolKind>(round % 3);
    p.n = pick(1, 2);
    p.h = pick(4, 13);
    p.w = pick(4, 13);
    p.c = channelCounts[pick(0, 7)];
    p.kh = pick(1, 4);
    p.kw = pick(1, 4);
    p.sh = pick(1, 3);
    p.sw = pick(1, 3);
    p.pt = pick(0, p.kh / 2);
    p.pl = pick(0, p.kw / 2);
    p.pb = pick(0, p.kh / 2);
    p.pr = pick(0, p.kw / 2);
    const int64_t ceil = pick(0, 1);
    p.outH = (p.h + p.pt + p.pb - p.kh + ceil * (p.sh - 1)) / p.sh + 1;
    p.outW = (p.w + p.pl + p.pr - p.kw + ceil * (p.sw - 1)) / p.sw + 1;
    if ((p.outH - 1) * p.sh >= p.h + p.pt) --p.outH;
    if ((p.outW - 1) * p.sw >= p.w + p.pl) --p.outW;
    p.in = sliceView(p.h, p.w, p.c);
    p.out = sliceView(p.outH, p.outW, p.c);
    Tensor in = input(p.n, p.h, p.w, p.c, p.in);
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name);
      Tensor out(p.n, p.outH, p.outW, p.c, p.out, kGuard);
      for (int64_t t = 0; t < p.tiles(); ++t)
        engine.table.pool(p, in.data.data(), out.data.data(), t);
      check(
          out,
          [&](int64_t i, int64_t y, int64_t x, int64_t k) {
            double best = -INFINITY, sum = 0;
            int64_t inside = 0, padded = 0;
            for (int64_t a = y * p.sh - p.pt; a < y * p.sh - p.pt + p.kh; ++a)
              for (int64_t b = x * p.sw - p.pl; b < x * p.sw - p.pl + p.kw; ++b) {
                padded += a < p.h + p.pb && b < p.w + p.pr;
                if (a < 0 || b < 0 || a >= p.h || b >= p.w) continue;
                ++inside;
                best = std::max<double>(best, in.at(i, a, b, k));
                sum += in.at(i, a, b, k);
              }
            if (p.kind == PoolKind::kMax) return best;
            if (inside == 0) return 0.0;
            return sum / static_cast<double>(p.kind == PoolKind::kAverage ? inside : padded);
          },
          1e-6);
      if (HasFailure()) return;
    }
  }
}

TEST_F(TensorKernelsTest, MaxPoolKeepsNan) {
  for (const Engine& engine : engines()) {
    for (int where = 0; where < 3; ++where) {
      PoolPlan p;
      p.w = p.kw = 3;
      p.c = 5;
      p.in = channelsLast(1, 3, 5);
      p.out = channelsLast(1, 1, 5);
      std::vector<float> in(15 + 16, 1.0f), out(5);
      in[where * 5 + 2] = kNan;
      engine.table.pool(p, in.data(), out.data(), 0);
      for (int k = 0; k < 5; ++k) EXPECT_EQ(std::isnan(out[k]), k == 2) << engine.name;
    }
  }
}

// Every pattern of bits may occur: infinities, NaN of both signs, denormal numbers.
TEST_F(TensorKernelsTest, MaxPoolOfReducedTypes) {
  const auto isNan = [](uint16_t x) { return (x & 0x7fff) > 0x7f80; };
  const auto toFloat = [](uint16_t x) { return bfloat16ToFloat(x); };
  for (int round = 0; round < 60; ++round) {
    PoolPlan p;
    p.h = pick(1, 9), p.w = pick(1, 20), p.c = pick(1, 150);
    p.kh = pick(1, 6), p.kw = pick(1, 6), p.sh = pick(1, 3), p.sw = pick(1, 3);
    p.pt = p.pb = pick(0, p.kh - 1), p.pl = p.pr = pick(0, p.kw - 1);
    p.outH = (p.h + p.pt + p.pb - p.kh) / p.sh + 1, p.outW = (p.w + p.pl + p.pr - p.kw) / p.sw + 1;
    if (p.h + p.pt + p.pb < p.kh || p.w + p.pl + p.pr < p.kw) continue;
    p.in = channelsLast(p.h, p.w, p.c + 3), p.out = channelsLast(p.outH, p.outW, p.c + 1);
    p.nonNegative = pick(0, 1);
    std::vector<uint16_t> in(static_cast<size_t>(p.h * p.in.row + 40));
    constexpr uint16_t kSpecial[] = {0x7f80, 0xff80, 0x7fc0, 0xffc0, 0xff81, 0, 0x8000, 0x8001};
    for (uint16_t& x : in) {
      x = static_cast<uint16_t>(pick(0, 9) ? pick(0, 0xffff) : kSpecial[pick(0, 7)]);
      if (isNan(x) && pick(0, 9)) x &= 0xff80;
      if (p.nonNegative && !isNan(x)) x &= 0x7fff;
    }
    for (const TypedEngine& engine : typedEngines()) {
      for (bool bytes : {true, false}) {
        SCOPED_TRACE(engine.name + (bytes ? " bytes" : " bfloat16") + " round " +
                     std::to_string(round));
        std::vector<uint16_t> out(static_cast<size_t>(p.outH * p.out.row + 1), 0x1234);
        const auto kernel = bytes ? engine.table.bytes.pool : engine.table.bfloat16.pool;
        for (int64_t y = 0; y < p.outH; ++y) kernel(p, in.data(), out.data(), y);
        const auto* inBytes = reinterpret_cast<const uint8_t*>(in.data());
        const auto* outBytes = reinterpret_cast<const uint8_t*>(out.data());
        for (int64_t y = 0; y < p.outH; ++y)
          for (int64_t x = 0; x < p.outW; ++x)
            for (int64_t c = 0; c <= p.c; ++c) {
              const int64_t at = y * p.out.row + x * p.out.pixel + c;
              if (c == p.c) {  // between two pixels nothing is written
                EXPECT_EQ(bytes ? outBytes[at] : out[at], bytes ? (at % 2 ? 0x12 : 0x34) : 0x1234);
                continue;
              }
              int largest = 0;
              float most = -std::numeric_limits<float>::infinity();
              bool nan = false;
              for (int64_t i = y * p.sh - p.pt; i < y * p.sh - p.pt + p.kh; ++i)
                for (int64_t j = x * p.sw - p.pl; j < x * p.sw - p.pl + p.kw; ++j) {
                  if (i < 0 || i >= p.h || j < 0 || j >= p.w) continue;
                  const int64_t from = i * p.in.row + j * p.in.pixel + c;
                  largest = std::max<int>(largest, inBytes[from]);
                  nan = nan || isNan(in[from]);
                  most = std::max(most, toFloat(in[from]));
                }
              if (bytes) {
                ASSERT_EQ(outBytes[at], largest);
              } else if (nan) {
                ASSERT_TRUE(isNan(out[at]));
              } else {
                ASSERT_EQ(toFloat(out[at]), most);
              }
            }
      }
    }
  }
}

TEST_F(TensorKernelsTest, GlobalAverage) {
  for (int round = 0; round < 30; ++round) {
    GlobalPoolPlan p;
    p.n = pick(1, 2);
    p.h = pick(1, 9);
    p.w = pick(1, 9);
    p.c = channelCounts[pick(0, 7)];
    p.blocks = pick(1, 5);
    p.in = sliceView(p.h, p.w, p.c);
    p.out = channelsLast(1, 1, p.c);
    Tensor in = input(p.n, p.h, p.w, p.c, p.in);
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name);
      Tensor out(p.n, 1, 1, p.c, p.out, kGuard);
      for (int64_t t = 0; t < p.tiles(); ++t) {
        engine.table.globalAverage(p, in.data.data(), out.data.data(), t);
      }
      check(
          out,
          [&](int64_t i, int64_t, int64_t, int64_t k) {
            double sum = 0;
            for (int64_t y = 0; y < p.h; ++y)
              for (int64_t x = 0; x < p.w; ++x) sum += in.at(i, y, x, k);
            return sum / static_cast<double>(p.h * p.w);
          },
          1e-6);
    }
  }
}

TEST_F(TensorKernelsTest, Upsample) {
  for (int round = 0; round < 20; ++round) {
    UpsamplePlan p;
    p.n = pick(1, 2);
    p.h = pick(1, 5);
    p.w = pick(1, 5);
    p.c = channelCounts[pick(0, 7)];
    p.scaleH = pick(1, 3);
    p.scaleW = pick(1, 3);
    p.in = sliceView(p.h, p.w, p.c);
    p.out = sliceView(p.h * p.scaleH, p.w * p.scaleW, p.c);
    Tensor in = input(p.n, p.h, p.w, p.c, p.in);
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name);
      Tensor out(p.n, p.h * p.scaleH, p.w * p.scaleW, p.c, p.out, kGuard);
      for (int64_t t = 0; t < p.tiles(); ++t) {
        engine.table.upsample(p, in.data.data(), out.data.data(), t);
      }
      check(
          out,
          [&](int64_t i, int64_t y, int64_t x, int64_t k) {
            return in.at(i, y / p.scaleH, x / p.scaleW, k);
          },
          0);
    }
  }
}

TEST_F(TensorKernelsTest, PointwiseWithBroadcast) {
  for (int round = 0; round < 60; ++round) {
    PointwisePlan p;
    p.kind = static_cast<BinaryKind>(round % 7);
    p.n = pick(1, 2);
    p.h = pick(1, 5);
    p.w = pick(1, 5);
    p.c = channelCounts[pick(0, 7)];
    p.a = sliceView(p.h, p.w, p.c);
    p.b = sliceView(p.h, p.w, p.c);
    p.out = sliceView(p.h, p.w, p.c);
    if (pick(0, 1)) p.b.row = p.b.pixel = 0;
    if (pick(0, 2) == 0) p.b.image = 0;
    p.epilogue.activation = pick(0, 1) ? Activation::kLeaky : Activation::kNone;
    p.epilogue.alpha = 0.5f;
    Tensor a = input(p.n, p.h, p.w, p.c, p.a), b = input(p.n, p.h, p.w, p.c, p.b);
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name);
      Tensor out(p.n, p.h, p.w, p.c, p.out, kGuard);
      for (int64_t t = 0; t < p.tiles(); ++t) {
        engine.table.pointwise(p, a.data.data(), b.data.data(), out.data.data(), t);
      }
      check(
          out,
          [&](int64_t i, int64_t y, int64_t x, int64_t k) {
            const double l = a.at(i, y, x, k), r = b.at(i, y, x, k);
            const double all[] = {l, l + r, l - r, l * r, l / r, std::max(l, r), std::min(l, r)};
            const double v = all[static_cast<int>(p.kind)];
            return p.epilogue.activation == Activation::kLeaky && v < 0 ? v / 2 : v;
          },
          1e-6);
    }
  }
}

// Each activation over a wide range, near zero relative to its own size; and NaN stays NaN.
TEST_F(TensorKernelsTest, ActivationsAreAccurate) {
  std::vector<float> x;
  for (float v = 1e-6f; v < 80; v *= 1.01f) x.insert(x.end(), {v, -v});
  const int64_t count = static_cast<int64_t>(x.size());
  x.push_back(kNan);
  x.resize(x.size() + 16, kNan);
  const auto relative = [](double (*f)(double), Activation a) { return std::make_pair(a, f); };
  const std::vector<std::pair<Activation, double (*)(double)>> functions{
      relative([](double v) { return 1 / (1 + std::exp(-v)); }, Activation::kSigmoid),
      relative([](double v) { return v / (1 + std::exp(-v)); }, Activation::kSilu),
      relative([](double v) { return v * std::tanh(std::log1p(std::exp(v))); }, Activation::kMish),
      relative([](double v) { return std::tanh(v); }, Activation::kTanh),
      relative([](double v) { return v < 0 ? std::expm1(v) : v; }, Activation::kElu),
      relative([](double v) { return std::exp(v); }, Activation::kExp),
      relative([](double v) { return std::log1p(std::exp(v)); }, Activation::kSoftplus)};
  for (const Engine& engine : engines()) {
    for (const auto& [activation, f] : functions) {
      PointwisePlan p;
      p.epilogue.activation = activation;
      p.epilogue.alpha = 1;
      p.c = count + 1;
      p.a = p.out = channelsLast(1, 1, p.c);
      std::vector<float> out(p.c);
      engine.table.pointwise(p, x.data(), nullptr, out.data(), 0);
      double worst = 0;
      for (int64_t i = 0; i < count; ++i) {
        const double want = f(x[i]);
        worst = std::max(worst, std::abs(out[i] - want) / std::max(std::abs(want), 1e-30));
      }
      EXPECT_LT(worst, 5e-7) << engine.name << " activation " << static_cast<int>(activation);
      EXPECT_TRUE(std::isnan(out[count])) << engine.name << " " << static_cast<int>(activation);
    }
  }
}

TEST_F(TensorKernelsTest, GeluIsAccurateToItsInput) {
  for (const Engine& engine : engines()) {
    PointwisePlan p;
    p.epilogue.activation = Activation::kGelu;
    p.c = 2001;
    p.a = p.out = channelsLast(1, 1, p.c);
    std::vector<float> x(p.c + 16), out(p.c);
    for (int64_t i = 0; i < p.c; ++i) x[i] = static_cast<float>(i - 1000) / 100;
    engine.table.pointwise(p, x.data(), nullptr, out.data(), 0);
    for (int64_t i = 0; i < p.c; ++i) {
      const double want = 0.5 * x[i] * (1 + std::erf(x[i] / std::sqrt(2.0)));
      EXPECT_NEAR(out[i], want, 5e-7 * (1e-3 + std::abs(x[i]))) << engine.name << " " << x[i];
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
