// Convolutions on tile registers, on their emulated twin and where the machine has them on the
// processor's, against plain loops on random attributes and odd sizes.
#include "backends/cpu/simd/amx.h"
#include "backends/cpu/simd/emulated_tiles.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/kernels/amx_conv.h"
#include "tests/amx_case.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

bool hasTiles() {
  const CpuFeatures& features = cpuFeatures();
  return features.amxTile && features.amxInt8 && features.amxBf16;
}

std::vector<AmxEngine> engines() {
  std::vector<AmxEngine> all{{"emulated", &amxConvTile<EmulatedTiles>}};
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

// A window no larger than the results, and padding smaller than the window.
PoolPlan randomPooling(AmxCase& test) {
  const ConvShape& s = test.shape;
  PoolPlan pool;
  pool.n = s.n, pool.h = s.outH(), pool.w = s.outW(), pool.c = s.co;
  pool.kh = test.pick(1, std::min<int64_t>(5, pool.h));
  pool.kw = test.pick(1, std::min<int64_t>(5, pool.w));
  pool.sh = test.pick(1, 3);
  pool.sw = test.pick(1, 3);
  pool.pt = test.pick(0, pool.kh - 1);
  pool.pl = test.pick(0, pool.kw - 1);
  pool.pb = test.pick(0, pool.kh - 1);
  pool.pr = test.pick(0, pool.kw - 1);
  pool.outH = (pool.h + pool.pt + pool.pb - pool.kh) / pool.sh + 1;
  pool.outW = (pool.w + pool.pl + pool.pr - pool.kw) / pool.sw + 1;
  const int64_t pixel = s.co + test.pick(0, 1) * 5, row = pool.outW * pixel + test.pick(0, 3);
  pool.out = {pool.outH * row, row, pixel, 1};
  return pool;
}

struct Ways {
  bool planes = false, pooled = false, companded = false;
};

void checkAll(AmxCase& test, const Ways& ways = {}) {
  if (ways.planes) test.usePlanes();
  test.prepare();
  if (ways.companded) test.compandWeights();
  for (AmxMethod method : kAmxMethods) {
    if ((method == AmxMethod::kPlanes) != ways.planes) continue;
    AmxConfig config;
    config.method = method;
    config.element = test.element;
    config.stripBytes = test.pick(0, 1) * test.pick(1, 5000);
    config.blocks = test.pick(0, 3);
    config.companded = ways.companded;
    if (!amxSupports(test.shape, config)) continue;
    for (const AmxEngine& engine : engines()) {
      SCOPED_TRACE(engine.name + " " + amxMethodName(method) + " strip " +
                   std::to_string(config.stripBytes) + " blocks " + std::to_string(config.blocks) +
                   ": " + test.describe());
      const auto threads = static_cast<int>(test.pick(1, 5));
      if (ways.pooled) {
        test.checkPooled(engine, config, randomPooling(test), threads);
      } else {
        test.check(engine, config, threads);
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
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
    checkAll(test, {.planes = true});
  }
}

TEST(AmxConv, PoolsInOneStepAsInTwo) {
  std::mt19937 random(9);
  for (int i = 0; i < 150 && !HasFailure(); ++i) {
    const bool planes = i % 3 == 0;
    ConvShape s = randomShape(random);
    AmxCase pick(s, Element::kUInt8, random);
    if (planes) {
      s.ci = pick.pick(1, 4);
      s.kw = pick.pick(1, 8);
      s.kh = pick.pick(1, 7);
      s.dh = s.dw = 1;
      s.w += s.kw + pick.pick(0, 40);
      s.h += s.kh + pick.pick(0, 40);
    }
    AmxCase test(s, i % 2 ? Element::kUInt8 : Element::kBFloat16, random);
    test.epilogue = makeEpilogue(i / 2);
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    checkAll(test, {.planes = planes, .pooled = true});
  }
}

TEST(AmxConv, ExpandsCompandedWeights) {
  std::mt19937 random(11);
  for (int i = 0; i < 60 && !HasFailure(); ++i) {
    ConvShape s = randomShape(random);
    s.ci = 33 + s.ci;  // whole rows of tiles
    AmxCase test(s, Element::kBFloat16, random);
    if (i % 3 == 0) test.conversion.output = Element::kFloat32;
    test.epilogue = makeEpilogue(i / 2);
    test.epilogue.residual = static_cast<ResidualPlace>(test.pick(0, 2));
    if (test.pick(0, 1)) test.useSlices();
    checkAll(test, {.companded = true});
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
