// Conversions between float32, bfloat16 and bytes, channels-last and in planes, of every
// instruction set that this machine has and of the emulated vectors, against plain loops.
#include "backends/cpu/simd/emulated.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/convert_tensor.h"
#include "layers/float16.h"
#include "page_end.h"

namespace layerwise::cpu {
namespace {

struct Engine {
  std::string name;
  ConvertKernel convert;
};

std::vector<Engine> engines() {
  std::vector<Engine> all{{"emulated8", &convertTile<Emulated<8>>},
                          {"emulated16", &convertTile<Emulated<16>>}};
  for (Isa isa : availableIsas()) all.push_back({isaName(isa), kernels(isa).typed->convert});
  return all;
}

double load(Element e, const uint8_t* p) {
  if (e == Element::kUInt8) return *p;
  if (e == Element::kBFloat16) {
    uint16_t value;
    std::memcpy(&value, p, sizeof value);
    return bfloat16ToFloat(value);
  }
  float value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void store(Element e, uint8_t* p, double x) {
  if (e == Element::kUInt8) {
    *p = static_cast<uint8_t>(x);
  } else if (e == Element::kBFloat16) {
    const uint16_t value = bfloat16FromFloat(static_cast<float>(x));
    std::memcpy(p, &value, sizeof value);
  } else {
    const float value = static_cast<float>(x);
    std::memcpy(p, &value, sizeof value);
  }
}

// What the plan says of one element.
double converted(const ConvertPlan& p, double x) {
  if (p.from == p.to) return x;
  if (p.from == Element::kUInt8) return static_cast<float>(static_cast<int>(x) - p.zero) * p.factor;
  if (p.to != Element::kUInt8) return x;
  const float quanta = static_cast<float>(x) * p.factor;
  return std::clamp(std::nearbyint(double{quanta}) + p.zero, 0.0, 255.0);
}

class ConvertCase {
 public:
  explicit ConvertCase(std::mt19937& generator) : random(generator) {
    plan.n = pick(1, 2), plan.h = pick(1, 3), plan.w = pick(1, 37);
    plan.c = pick(0, 3) ? pick(1, 37) : 3;  // pictures have a way of their own
    plan.in = view(), plan.out = view();
    constexpr std::pair<Element, Element> kPairs[] = {
        {Element::kFloat32, Element::kFloat32},  {Element::kFloat32, Element::kBFloat16},
        {Element::kBFloat16, Element::kFloat32}, {Element::kBFloat16, Element::kBFloat16},
        {Element::kFloat32, Element::kUInt8},    {Element::kUInt8, Element::kFloat32},
        {Element::kUInt8, Element::kUInt8}};
    std::tie(plan.from, plan.to) = kPairs[pick(0, 6)];
    plan.zero = static_cast<int>(pick(0, 255));
    plan.factor = plan.to == Element::kUInt8 ? 40.0f : 0.013f;
  }

  void check(const Engine& engine) {
    const int64_t inBytes = elementBytes(plan.from), outBytes = elementBytes(plan.to);
    // What is converted may be the caller's: nothing beyond it may be read.
    const auto size = static_cast<size_t>(extent(plan.in) * inBytes);
    const test::PageEnd page(size);
    auto* const in = reinterpret_cast<uint8_t*>(page.data());
    std::memset(in, 0xff, size);
    std::uniform_real_distribution<float> uniform(-4, 4);
    forEach([&](int64_t from, int64_t) {
      store(plan.from, in + from * inBytes,
            plan.from == Element::kUInt8 ? static_cast<double>(pick(0, 255)) : uniform(random));
    });
    std::vector<uint8_t> out(static_cast<size_t>(extent(plan.out) * outBytes) + 64, 0xa5);
    std::vector<uint8_t> expected = out;
    forEach([&](int64_t from, int64_t to) {
      store(plan.to, expected.data() + to * outBytes,
            converted(plan, load(plan.from, in + from * inBytes)));
    });
    for (int64_t tile = plan.tiles() - 1; tile >= 0; --tile)
      engine.convert(plan, in, out.data(), tile);
    ASSERT_EQ(out, expected) << engine.name << " from " << static_cast<int>(plan.from) << " to "
                             << static_cast<int>(plan.to) << ", " << plan.n << " x " << plan.h
                             << " x " << plan.w << " x " << plan.c << ", channels "
                             << plan.in.channel << " and " << plan.out.channel << " apart";
  }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  // Channels-last or in planes, dense or not.
  View view() {
    const int64_t gap = pick(0, 1) * pick(1, 9);
    if (pick(0, 1)) {
      const int64_t pixel = plan.c + gap, row = plan.w * pixel + gap;
      return {plan.h * row, row, pixel, 1};
    }
    const int64_t row = plan.w + gap, plane = plan.h * row;
    return {plan.c * plane + gap, row, 1, plane};
  }
  int64_t extent(const View& v) const {
    return (plan.n - 1) * v.image + (plan.h - 1) * v.row + (plan.w - 1) * v.pixel +
           (plan.c - 1) * v.channel + 1;
  }
  template <class Visit>
  void forEach(const Visit& visit) {
    for (int64_t n = 0; n < plan.n; ++n)
      for (int64_t y = 0; y < plan.h; ++y)
        for (int64_t x = 0; x < plan.w; ++x)
          for (int64_t c = 0; c < plan.c; ++c) {
            const auto at = [&](const View& v) {
              return n * v.image + y * v.row + x * v.pixel + c * v.channel;
            };
            visit(at(plan.in), at(plan.out));
          }
  }

  ConvertPlan plan;
  std::mt19937& random;
};

TEST(ConvertKernels, MatchThePlainLoop) {
  std::mt19937 random(1);
  for (int i = 0; i < 1500 && !HasFailure(); ++i) {
    ConvertCase test(random);
    for (const Engine& engine : engines()) test.check(engine);
  }
}

template <Element result>
void checkReducedSilu(double tolerance) {
  using Vector = Emulated<8>;
  const auto check = [&](float x) {
    std::feclearexcept(FE_UNDERFLOW);
    const Vector::Reg y = ReducedSilu<Vector, result>(Epilogue{})(Vector::set1(x));
    // An instruction that makes a denormal number takes a hundred times as long on some processors.
    EXPECT_FALSE(std::fetestexcept(FE_UNDERFLOW)) << x;
    const double expected = x / (1 + std::exp(-static_cast<double>(x)));
    EXPECT_NEAR(y[0], expected, tolerance * std::abs(expected)) << x;
  };
  for (float x : {-87.0f, 0.0f, 87.0f, 88.0f, 200.0f, 1e6f, 1e30f}) check(x);
  for (float x = -80; x < 80; x += 0.0371f) check(x);
  const Vector::Reg least = ReducedSilu<Vector, result>(Epilogue{})(Vector::set1(-1e30f));
  EXPECT_NEAR(least[0], 0, 1e-30);
}
TEST(ReducedSilu, IsAsGoodAsItsResultsNeed) {
  checkReducedSilu<Element::kUInt8>(8e-6);     // of t in a float, up to 126
  checkReducedSilu<Element::kBFloat16>(1e-4);  // and the processor's estimate of 1 / x
}

}  // namespace
}  // namespace layerwise::cpu
