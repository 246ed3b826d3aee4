// Weight-only quantisation of fully connected layers: the packing and the kernels of every
// available instruction set and of the emulated twins against a plain loop, and engines with it.
#include "backends/cpu/weight_only.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/simd/emulated.h"

#include "backends/cpu/kernels/pack_weight_only.h"
#include "backends/cpu/kernels/weight_only.h"
#include "backends/cpu/weight_memory.h"
#include "engine/compile.h"
#include "engine/engine_state.h"
#include "layers/float16.h"
#include "layerwise/builder.h"
#include "tests/signal_to_noise.h"

namespace layerwise::cpu {
namespace {

struct NamedKernels {
  std::string name;
  WeightOnlyKernels kernels;
};

template <class V>
WeightOnlyKernels kernelsOf() {
  return {&WeightOnlyPacking<V>::fits, &WeightOnlyPacking<V>::pack, &weightOnlyPanel<V>};
}

std::vector<NamedKernels> allKernels() {
  std::vector<NamedKernels> all{{"emulated8", kernelsOf<Emulated<8>>()},
                                {"emulated16", kernelsOf<Emulated<16>>()}};
  for (Isa isa : availableIsas()) all.push_back({isaName(isa), weightOnlyKernels(isa)});
  return all;
}

std::vector<float> normals(std::int64_t count, unsigned seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

/// Weights, (outputs, depth), of one panel.
struct Layer {
  std::int64_t depth = 1, outputs = 1;
  std::vector<float> weights;

  Layer(std::int64_t d, std::int64_t o, unsigned seed)
      : depth(d), outputs(o), weights(normals(d * o, seed)) {}
  float& at(std::int64_t output, std::int64_t input) {
    return weights[static_cast<std::size_t>(output * depth + input)];
  }
  std::size_t bytes() const { return static_cast<std::size_t>(WeightOnly::panelBytes(depth)); }
  WeightMemory pack(const WeightOnlyKernels& kernels) const {
    WeightMemory memory(bytes());
    kernels.pack(weights.data(), depth, outputs, panelOf(memory));
    return memory;
  }
  static std::uint8_t* panelOf(const WeightMemory& memory) {
    return reinterpret_cast<std::uint8_t*>(memory.data());
  }
  /// What the panel's bytes stand for.
  std::vector<double> unpack(const WeightMemory& memory) const {
    std::vector<double> result(weights.size());
    const std::uint8_t* panel = panelOf(memory);
    for (std::int64_t k = 0; k < depth; ++k) {
      const std::int64_t place = k % WeightOnly::kGroup;
      const std::uint8_t* group = panel + WeightOnly::panelBytes(k - place);
      for (std::int64_t o = 0; o < outputs; ++o) {
        std::uint16_t scale = 0;
        std::memcpy(&scale, group + 2 * o, sizeof scale);
        const auto q = static_cast<std::int8_t>(group[(2 + place) * WeightOnly::kPanelOutputs + o]);
        result[static_cast<std::size_t>(o * depth + k)] =
            static_cast<double>(bfloat16ToFloat(scale)) * q;
      }
    }
    return result;
  }
};

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

TEST(WeightOnly, RoundsNormalWeightsTo45Decibels) {
  const Layer layer(2048, 64, 1);
  for (const NamedKernels& k : allKernels()) {
    EXPECT_TRUE(k.kernels.fits(layer.weights.data(), layer.depth, layer.outputs));
    const std::vector<double> got = layer.unpack(layer.pack(k.kernels));
    EXPECT_GE(signalToNoise(doubles(layer.weights), got), 45.5) << k.name;
    // Rounding to the nearest alone would leave the sums of 32 errors 1.6 steps apart, of 0.018.
    double squares = 0;
    for (std::size_t i = 0; i < got.size(); i += WeightOnly::kGroup) {
      double sum = 0;
      for (std::size_t j = i; j < i + WeightOnly::kGroup; ++j) sum += got[j] - layer.weights[j];
      squares += sum * sum;
    }
    EXPECT_LE(std::sqrt(squares / (64 * 64)), 0.85 * 0.018) << k.name;
  }
}

TEST(WeightOnly, EveryInstructionSetPacksTheSameBits) {
  std::mt19937 random(2);
  for (int round = 0; round < 30; ++round) {
    Layer layer(1 + static_cast<std::int64_t>(random() % 150),
                1 + static_cast<std::int64_t>(random() % 64), random());
    if (round % 3 == 1) layer.at(0, 0) = 1e20f;
    if (round % 3 == 2)
      for (float& w : layer.weights) w *= 1e-20f;
    const auto all = allKernels();
    const WeightMemory first = layer.pack(all[0].kernels);
    for (const NamedKernels& k : all) {
      const WeightMemory packed = layer.pack(k.kernels);
      EXPECT_EQ(std::memcmp(first.data(), packed.data(), layer.bytes()), 0)
          << k.name << " round " << round;
    }
  }
}

TEST(WeightOnly, GroupsOfZerosAndOfAnyMagnitudeKeepWithinAStep) {
  Layer layer(4 * WeightOnly::kGroup, 9, 3);
  const float magnitudes[] = {0, 1e-45f, 1e-38f, 1e-30f, 1e-15f, 1, 1e15f, 1e30f, 3e36f};
  for (std::int64_t o = 0; o < layer.outputs; ++o)
    for (std::int64_t k = 0; k < layer.depth; ++k) layer.at(o, k) *= magnitudes[(o + k / 32) % 9];
  for (const NamedKernels& k : allKernels()) {
    const std::vector<double> got = layer.unpack(layer.pack(k.kernels));
    for (std::size_t i = 0; i < got.size(); i += WeightOnly::kGroup) {
      double most = 0;
      for (std::size_t j = i; j < i + WeightOnly::kGroup; ++j)
        most = std::max(most, std::abs(static_cast<double>(layer.weights[j])));
      // Some steps are lost to the search for a scale, and to the sum's.
      for (std::size_t j = i; j < i + WeightOnly::kGroup; ++j)
        ASSERT_LE(std::abs(got[j] - layer.weights[j]), std::max(most / 127 * 0.8, 0x1p-126))
            << k.name << " weight " << i;
    }
  }
}

TEST(WeightOnly, LayersThatRoundingWouldHarmDoNotFit) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Layer good(320, 70, 4);
  const auto with = [&](auto change) {
    Layer layer = good;
    change(layer);
    return layer;
  };
  const auto scaled = [&](float factor) {
    return with([=](Layer& l) {
      for (std::int64_t k = 0; k < l.depth; ++k) l.at(69, k) *= factor;
    });
  };
  for (const NamedKernels& k : allKernels()) {
    SCOPED_TRACE(k.name);
    const auto fits = [&](const Layer& l) {
      return k.kernels.fits(l.weights.data(), l.depth, l.outputs);
    };
    EXPECT_TRUE(fits(good));
    EXPECT_TRUE(fits(scaled(0)));
    EXPECT_TRUE(fits(scaled(1e-15f)));
    EXPECT_FALSE(fits(scaled(1e-25f)));
    EXPECT_FALSE(fits(scaled(1e25f)));
    for (float value : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()})
      for (std::int64_t place : {0, 100, 319})
        EXPECT_FALSE(fits(with([=](Layer& l) { l.at(69, place) = value; })));
    // One large weight hides what rounding does to its neighbours; those of other groups keep
    // theirs.
    EXPECT_TRUE(fits(with([](Layer& l) { l.at(17, 40) = 10; })));
    EXPECT_FALSE(fits(with([](Layer& l) {
      for (std::int64_t i = 0; i < l.depth; ++i) l.at(17, i) *= i % 32 ? 1e-3f : 1;
    })));
  }
}

TEST(WeightOnly, KernelsMatchThePlainLoop) {
  constexpr float kGuard = 12345.0f;
  std::mt19937 random(5);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 60; ++round) {
    const Layer layer(pick(1, round % 4 ? 100 : 700), pick(1, 64), random());
    const int rows = pick(1, kMaxRows);
    const bool hasBias = pick(0, 2) > 0, hasResidual = pick(0, 2) == 0;
    FullyConnectedPlan plan;
    plan.depth = layer.depth;
    if (pick(0, 1)) plan.epilogue.activation = Activation::kSilu;
    if (hasResidual) plan.epilogue.residual = ResidualPlace::kBeforeActivation;
    const auto outputs = static_cast<std::size_t>(layer.outputs);
    const std::vector<float> bias = normals(layer.outputs, random());
    std::vector<std::vector<float>> in, residual;
    for (int r = 0; r < rows; ++r) {
      in.push_back(normals(layer.depth, random()));
      residual.push_back(normals(layer.outputs + 16, random()));
    }
    for (const NamedKernels& k : allKernels()) {
      SCOPED_TRACE(k.name + " round " + std::to_string(round));
      const WeightMemory panel = layer.pack(k.kernels);
      const std::vector<double> weights = layer.unpack(panel);
      std::vector<std::vector<float>> out(static_cast<std::size_t>(rows));
      FullyConnectedRows pointers{};
      pointers.count = rows;
      for (int r = 0; r < rows; ++r) {
        const auto i = static_cast<std::size_t>(r);
        out[i].assign(outputs + 1, kGuard);
        pointers.in[r] = in[i].data();
        pointers.out[r] = out[i].data();
        pointers.residual[r] = hasResidual ? residual[i].data() : nullptr;
      }
      k.kernels.run(plan, Layer::panelOf(panel), hasBias ? bias.data() : nullptr, layer.outputs,
                    pointers);
      for (std::size_t r = 0; r < out.size(); ++r) {
        for (std::size_t o = 0; o < outputs; ++o) {
          double sum = hasBias ? bias[o] : 0, terms = std::abs(sum);
          for (std::size_t i = 0; i < in[r].size(); ++i) {
            const double term = weights[o * in[r].size() + i] * in[r][i];
            sum += term;
            terms += std::abs(term);
          }
          if (hasResidual) sum += residual[r][o];
          if (plan.epilogue.activation == Activation::kSilu) sum /= 1 + std::exp(-sum);
          ASSERT_NEAR(out[r][o], sum, 2e-6 * (1 + terms)) << "row " << r << " output " << o;
        }
        EXPECT_EQ(out[r][outputs], kGuard);
      }
    }
  }
}

// An engine of one large layer.
class WeightOnlyEngine : public ::testing::Test {
 protected:
  static constexpr std::int64_t kInputs = 1100, kOutputs = 1000;

  WeightOnlyEngine() : weights_(normals(kInputs * kOutputs, 6, 0.03f)) {
    config_.precision = DataType::kBFloat16;
    config_.threads = 2;
  }

  std::shared_ptr<const Engine> build() {
    Network network;
    Tensor& x = network.addInput("x", DataType::kFloat32, {1, kInputs});
    auto& layer = network.addFullyConnected(x, kOutputs, network.keep(weights_),
                                            network.keep(normals(kOutputs, 7)));
    network.markOutput(layer.output(), "y");
    return buildEngine(network, config_);
  }

  /// Whether the engine's layer may be run in bytes, chosen or not.
  static bool isChosen(const Engine& engine) {
    const auto& regions = engine.state().selection.regions;
    return std::any_of(regions.begin(), regions.end(), [](const Region& r) {
      return r.chosen.tactic->name().find("_w8_") != std::string_view::npos;
    });
  }

  static std::vector<float> run(const Engine& engine) {
    const std::vector<float> x = normals(kInputs, 8);
    std::vector<float> y(kOutputs);
    const auto context = engine.createContext({.threads = 2, .pool = {}});
    context->setInput("x", x.data(), {1, kInputs});
    context->setOutput("y", y.data());
    context->run();
    return y;
  }

  std::vector<float> weights_;
  BuilderConfig config_;
};

TEST_F(WeightOnlyEngine, IsChosenForLargeLayersInBFloat16Alone) {
  config_.optimizationLevel = 0;
  EXPECT_TRUE(isChosen(*build()));
  config_.weightOnly = false;
  EXPECT_FALSE(isChosen(*build()));
  config_.weightOnly = true;
  config_.precision = DataType::kFloat32;
  EXPECT_FALSE(isChosen(*build()));
  config_.precision = DataType::kBFloat16;
  weights_[12345] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(isChosen(*build()));
}

TEST_F(WeightOnlyEngine, ComesBackFromAPlanWithTheSameBits) {
  config_.optimizationLevel = 0;
  const auto path = std::filesystem::temp_directory_path() / "weight_only_test.engine";
  const auto engine = build();
  engine->save(path.string());
  const auto loaded = Engine::load(path.string(), {.device = "cpu", .threads = 2, .logger = {}});
  EXPECT_TRUE(isChosen(*loaded));
  EXPECT_EQ(run(*engine), run(*loaded));
  config_.precision = DataType::kFloat32;
  EXPECT_GE(signalToNoise(doubles(run(*build())), doubles(run(*loaded))), 45);
  config_.precision = DataType::kBFloat16;
  config_.weightOnly = false;
  build()->save(path.string());
  EXPECT_FALSE(
      isChosen(*Engine::load(path.string(), {.device = "cpu", .threads = 2, .logger = {}})));
  std::filesystem::remove(path);
}

TEST_F(WeightOnlyEngine, WeightsThatDoNotFitStayAsTheyAreWhereverTheirPlanIsLoaded) {
  config_.optimizationLevel = 0;
  weights_[12345] = std::numeric_limits<float>::infinity();
  const PlanContents contents = planContents(build()->state());
  const auto load = [](const PlanContents& plan) {
    int warnings = 0;
    const auto count = [&](Severity severity, std::string_view) {
      warnings += severity == Severity::kWarning;
    };
    const auto loaded =
        Engine::deserialize(writePlan(plan), {.device = "cpu", .threads = 2, .logger = count});
    EXPECT_FALSE(isChosen(*loaded));
    return warnings;
  };
  EXPECT_EQ(load(contents), 0);
  PlanContents ofAnother = contents, unknown = contents;
  ofAnother.tuned[0].device = "another";
  EXPECT_EQ(load(ofAnother), 1);
  unknown.tuned[0].choices[0].tactic = "unknown";
  EXPECT_EQ(load(unknown), 1);
}

TEST_F(WeightOnlyEngine, ItsTimeIsInTheTimingCache) {
  const auto timings = [&](bool weightOnly) {
    TimingCache cache;
    config_.timingCache = &cache;
    config_.weightOnly = weightOnly;
    const bool chosen = isChosen(*build());
    const std::size_t size = cache.size();
    // Whatever was measured is found again, and the choice is the same.
    EXPECT_EQ(isChosen(*build()), chosen);
    EXPECT_EQ(cache.size(), size);
    return size;
  };
  config_.optimizationLevel = 5;  // nothing is left to the cost model
  EXPECT_EQ(timings(true), timings(false) + 1);
}

}  // namespace
}  // namespace layerwise::cpu
