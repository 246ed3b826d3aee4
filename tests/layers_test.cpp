// Every tactic of a device (layer_harness.h) against the reference: random attributes, odd sizes,
// tensors inside larger ones, workers, and images alone against images in a batch. Tactics are
// found in the registry; cases in layer_cases/.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <set>

#include "engine/batch_shapes.h"
#include "engine/selection.h"
#include "layer_cases.h"
#include "layer_harness.h"

namespace layerwise::test {
namespace {

/// Of a normal distribution, beyond which none of some thousand numbers lies.
constexpr double kWeightOnlyDeviations = 5;

/// Whether the tactic rounds to this type on its way, as its name says: its tensors may be float32.
bool computesIn(const Candidate& candidate, std::string_view type) {
  return candidate.tactic->name().find(type) != std::string_view::npos;
}

/// What a result may differ from the reference by, as a share of the largest value.
double toleranceOf(const LayerCase& layerCase, const Candidate& candidate) {
  double tolerance = layerCase.tolerance;
  auto allow = [&](const std::vector<Layout>& layouts) {
    for (const Layout& layout : layouts) {
      if (layout.type == DataType::kFloat16) tolerance = std::max(tolerance, 4e-3);
      if (layout.type == DataType::kBFloat16) tolerance = std::max(tolerance, 3e-2);
    }
  };
  allow(candidate.inputLayouts);
  allow(candidate.outputLayouts);
  if (computesIn(candidate, "_bf16_")) tolerance = std::max(tolerance, 3e-2);
  // TF32 has as many bits of fraction as float16.
  if (computesIn(candidate, "tf32")) tolerance = std::max(tolerance, 4e-3);
  // Weights with 40 dB of signal to noise or more (weight_only.h): as errors are of either sign, a
  // sum's is 1 % of the sums' root mean square, of which the largest is at least one.
  if (computesIn(candidate, "_w8_")) tolerance = std::max(tolerance, kWeightOnlyDeviations * 1e-2);
  return tolerance;
}

/// The output in quanta before it was rounded to an integer; empty where the integers must be the
/// same.
std::vector<double> unroundedQuanta(const LayerCase& layerCase, std::uint32_t seed) {
  if (!layerCase.unrounded) return {};
  LayerCase exact = layerCase;
  exact.define = layerCase.unrounded;
  CaseRun run(exact, seed);
  std::vector<double> quanta = run.value(run.graph().outputs[0].value).values;
  for (double& value : quanta) value /= layerCase.quantum;
  return quanta;
}

/// Whether two roundings of a value next to a half may differ by one.
bool isNextToHalf(double value) {
  constexpr double kReach = 1e-4;
  return std::abs(value - std::floor(value) - 0.5) <= kReach;
}

/// The largest magnitude of a finite value.
double magnitudeOf(const ReferenceTensor& tensor) {
  double most = 0;
  for (double value : tensor.values)
    if (std::isfinite(value)) most = std::max(most, std::abs(value));
  return most;
}

/// What errors of a candidate in reduced precision are relative to: an activation that clips hides
/// how large the sums were whose terms were rounded.
double innerRange(const CaseRun& run, const Candidate& candidate) {
  const bool reduced =
      computesIn(candidate, "_bf16_") ||
      std::any_of(candidate.inputLayouts.begin(), candidate.inputLayouts.end(),
                  [](const Layout& layout) {
                    return layout.type == DataType::kBFloat16 || layout.type == DataType::kFloat16;
                  });
  double range = 0;
  for (std::size_t i = 0; reduced && i < candidate.nodes.size(); ++i)
    for (ValueId value : run.graph().node(candidate.nodes[i]).outputs)
      range = std::max(range, magnitudeOf(run.value(value)));
  return range;
}

/// "" where `got` is close enough to `want`, otherwise the first place where it is not.
std::string difference(const ReferenceTensor& got, ReferenceTensor want, double tolerance,
                       double leastRange, const std::vector<double>& quanta) {
  want.info.type = got.info.type;
  want.round();
  double range = std::max(leastRange, magnitudeOf(want));
  bool exact = !isFloat(got.info.type);
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    double a = got.values[i], b = want.values[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!exact && std::abs(a - b) <= tolerance * range) continue;
    if (!quanta.empty() && std::abs(a - b) <= 1 && isNextToHalf(quanta[i])) continue;
    return fmt::format("element {} of {} is {}, the reference says {} (range {}, error {:.2g})", i,
                       toString(want.info.dims), a, b, range, std::abs(a - b) / range);
  }
  return "";
}

bool sameBits(const std::vector<ReferenceTensor>& a, const std::vector<ReferenceTensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!a[i].values.empty() &&
        std::memcmp(a[i].values.data(), b[i].values.data(), a[i].values.size() * sizeof(double)))
      return false;
  return true;
}

/// Whether this process goes through a case: LAYERWISE_TEST_SHARE=1/4 is the second of four that
/// share them, where kernels take long to compile.
bool isOurs(int index) {
  const char* share = std::getenv("LAYERWISE_TEST_SHARE");
  int own = 0, all = 1;
  return !share || std::sscanf(share, "%d/%d", &own, &all) != 2 || index % all == own;
}

/// The whole table is gone through with other random numbers each time.
int caseCount(const LayerFamily& family) {
  constexpr int kRounds = 3;
  if (testedBackend().name() == "cpu") return kRounds * family.count;
  // A device that compiles its kernels as they are needed takes its time: what follows a layer is
  // the same code for all layers, and is tried with a few.
  constexpr int kFusions = 10;
  bool fused = !LayerRegistry::instance().find(family.name);
  return fused ? std::min(family.count, kFusions) : family.count;
}

class Layers : public testing::TestWithParam<LayerFamily> {};

bool mayReplace(const CaseRun& run, const Candidate& candidate) {
  if (candidate.replacedInput == kNone) return false;
  const auto input = static_cast<std::size_t>(candidate.replacedInput);
  return candidate.inputLayouts[input] == candidate.outputLayouts[0] &&
         run.value(candidate.inputs[input]).info.dims == run.value(candidate.outputs[0]).info.dims;
}

void checkCandidate(const CaseRun& run, const LayerCase& layerCase, const Candidate& candidate,
                    const std::vector<double>& quanta, std::uint32_t seed) {
  auto packed = candidate.tactic->pack(run.graph(), candidate);
  std::vector<const ReferenceTensor*> inputs;
  for (ValueId id : candidate.inputs) inputs.push_back(&run.value(id));
  auto compute = [&](const Placement& placement) {
    return runCandidate(run.graph(), candidate, packed, run.shapes(), inputs, placement, seed);
  };
  double tolerance = toleranceOf(layerCase, candidate), range = innerRange(run, candidate);
  auto check = [&](const CandidateResult& result, const char* how) {
    EXPECT_TRUE(result.guards) << how << ": wrote outside of its output";
    for (std::size_t i = 0; i < result.outputs.size(); ++i)
      EXPECT_EQ(
          difference(result.outputs[i], run.value(candidate.outputs[i]), tolerance, range, quanta),
          "")
          << how << ", output " << i;
  };
  CandidateResult dense = compute({.place = Place::kDense});
  check(dense, "dense");
  CandidateResult boxed = compute({.place = Place::kBoxed});
  check(boxed, "inside larger tensors");
  if (testedBackend().name() == "cpu") {
    check(compute({.place = Place::kCallers}), "in the caller's memory");
    CandidateResult shared = compute({.place = Place::kBoxed, .workers = 3});
    EXPECT_TRUE(shared.guards);
    EXPECT_TRUE(sameBits(boxed.outputs, shared.outputs)) << "3 workers give other bits than 1";
    if (mayReplace(run, candidate)) {
      CandidateResult replaced = compute({.place = Place::kBoxed, .workers = 3, .replaces = true});
      EXPECT_TRUE(sameBits(boxed.outputs, replaced.outputs)) << "in the place of an input";
    }
  }
  if (!layerCase.batched) return;
  for (std::int64_t image = 0; image < kBatch; ++image) {
    auto [shapes, values] = run.single(image);
    std::vector<const ReferenceTensor*> alone;
    for (ValueId id : candidate.inputs) alone.push_back(&values[static_cast<std::size_t>(id)]);
    CandidateResult single = runCandidate(run.graph(), candidate, packed, shapes, alone, {}, seed);
    std::vector<ReferenceTensor> parts;
    for (std::size_t i = 0; i < dense.outputs.size(); ++i)
      parts.push_back(CaseRun::part(dense.outputs[i], run.batchAxis(static_cast<int>(i)), image));
    EXPECT_TRUE(sameBits(single.outputs, parts))
        << "image " << image << " alone gives other bits than in a batch";
  }
}

TEST_P(Layers, EveryTacticAgreesWithTheReference) {
  const LayerFamily& family = GetParam();
  int unmatched = 0;
  for (int i = 0; i < caseCount(family) && !HasFailure(); ++i) {
    if (!isOurs(i)) continue;
    auto seed = static_cast<std::uint32_t>(i + 1);
    Random random(seed);
    LayerCase layerCase = family.make(random, i);
    CaseRun run(layerCase, seed);
    SCOPED_TRACE(run.description());
    std::vector<Candidate> candidates = run.candidates();
    if (candidates.empty()) ++unmatched;
    std::vector<double> quanta = unroundedQuanta(layerCase, seed);
    for (const Candidate& candidate : candidates) {
      SCOPED_TRACE(fmt::format("{} {} {}", candidate.tactic->name(), candidate.parameters,
                               layoutSignature(candidate)));
      checkCandidate(run, layerCase, candidate, quanta, seed);
    }
  }
  // A single layer must have a tactic whatever its attributes; a group of layers need not.
  if (LayerRegistry::instance().find(family.name)) {
    EXPECT_EQ(unmatched, 0) << "cases that no tactic takes";
  }
}

TEST_P(Layers, AreImageByImageWhereTheySaySo) {
  const LayerFamily& family = GetParam();
  for (int i = 0; i < 2 * family.count && !HasFailure(); ++i) {
    const auto seed = static_cast<std::uint32_t>(i + 1);
    Random random(seed);
    const LayerCase layerCase = family.make(random, i);
    CaseRun run(layerCase, seed);
    SCOPED_TRACE(run.description());
    const Graph& graph = run.graph();
    std::vector<Dims> dims;
    for (const GraphInput& input : graph.inputs) dims.push_back(run.value(input.value).info.dims);
    BatchShapes shapes(graph, dims);
    if (!shapes.divide()) continue;
    std::vector<bool> said(graph.values.size());
    for (const Node& node : graph.nodes)
      for (ValueId output : node.outputs)
        said[static_cast<std::size_t>(output)] = shapes.isImageByImage(node);
    for (std::int64_t image = 0; image < shapes.batch(); ++image) {
      const auto isBatched = [&](std::size_t input) {
        return shapes.isBatched(graph.inputs[input].value);
      };
      if (std::none_of(said.begin(), said.end(), [](bool so) { return so; })) break;
      const auto values = run.single(image, isBatched).second;
      for (ValueId id = 0; id < static_cast<ValueId>(said.size()); ++id)
        if (said[static_cast<std::size_t>(id)]) {
          EXPECT_TRUE(sameBits({values[static_cast<std::size_t>(id)]},
                               {CaseRun::part(run.value(id), 0, image)}))
              << "image " << image << ", value " << graph.value(id).name;
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Layers, testing::ValuesIn(layerFamilies()),
                         [](const auto& family) { return family.param.name; });

// Where the workspace for all of an image's patches would be large, they are done in passes.
TEST(LayerTable, WinogradsPassesDoNotShow) {
  if (testedBackend().name() == "cpu") GTEST_SKIP() << "the CPU takes a strip at a time anyway";
  constexpr std::uint32_t kSeed = 3;
  Random random(kSeed);
  LayerCase layerCase = winogradCase(random, 1);
  CaseRun run(layerCase, kSeed);
  std::set<std::string> tried;
  for (Candidate candidate : run.candidates()) {
    const std::size_t at = candidate.parameters.find(" pass=");
    if (at == std::string::npos || !tried.insert(candidate.parameters).second) continue;
    SCOPED_TRACE(candidate.parameters);
    auto packed = candidate.tactic->pack(run.graph(), candidate);
    std::vector<const ReferenceTensor*> inputs;
    for (ValueId id : candidate.inputs) inputs.push_back(&run.value(id));
    auto compute = [&] {
      return runCandidate(run.graph(), candidate, packed, run.shapes(), inputs, {}, kSeed).outputs;
    };
    const std::vector<ReferenceTensor> whole = compute();
    candidate.parameters.replace(at, candidate.parameters.find(' ', at + 1) - at, " pass=5");
    EXPECT_TRUE(sameBits(whole, compute()));
  }
  EXPECT_FALSE(tried.empty());
}

// The maxima of a picture's first convolution are those of what the convolution alone writes.
TEST(LayerTable, PoolingOnTheWayOutKeepsTheBits) {
  const DataType half = DataType::kFloat16;
  if (testedFloatType() != half) GTEST_SKIP() << "a kernel of float16";
  int compared = 0;
  for (int i = 0; i < 6; ++i) {
    const auto seed = static_cast<std::uint32_t>(i + 1);
    Random random(seed);
    const LayerCase layerCase = pooledPictureCase(random, i);
    CaseRun run(layerCase, seed);
    SCOPED_TRACE(run.description());
    auto compute = [&](const Candidate& candidate) {
      return runCandidate(run.graph(), candidate, candidate.tactic->pack(run.graph(), candidate),
                          run.shapes(), {&run.value(candidate.inputs[0])}, {}, seed)
          .outputs[0];
    };
    const std::vector<Candidate> together = run.candidates(), apart = run.candidates(1);
    auto convolution = std::find_if(apart.begin(), apart.end(), [](const Candidate& c) {
      return c.tactic->name().ends_with("f16_wgmma_patch");
    });
    if (together.empty() || convolution == apart.end()) continue;
    const Node& pooling = run.graph().nodes.back();
    const std::vector<ReferenceTensor> results{compute(*convolution)};
    std::vector<ReferenceTensor> maxima{run.value(pooling.outputs[0])};
    pooling.kind->reference(pooling.attributes.get(), {results, {}, maxima});
    for (const Candidate& candidate : together)
      EXPECT_TRUE(sameBits({compute(candidate)}, maxima)) << candidate.parameters;
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "no such kernels on this device";
}

// An inverted residual's first two convolutions in one step are one after the other, however it is
// cut.
TEST(LayerTable, ADepthwiseConvolutionInOneStepKeepsTheBits) {
  if (testedFloatType() != DataType::kBFloat16) GTEST_SKIP() << "a step of bfloat16";
  int compared = 0;
  for (int i = 0; i < 12; ++i) {
    const auto seed = static_cast<std::uint32_t>(i + 1);
    Random random(seed);
    const LayerCase layerCase = expandedCase(random, i);
    CaseRun run(layerCase, seed);
    SCOPED_TRACE(run.description());
    auto compute = [&](const Candidate& candidate, const ReferenceTensor& input,
                       const Placement& placement) {
      const auto packed = candidate.tactic->pack(run.graph(), candidate);
      const CandidateResult result =
          runCandidate(run.graph(), candidate, packed, run.shapes(), {&input}, placement, seed);
      EXPECT_TRUE(result.guards) << candidate.tactic->name();
      return result.outputs[0];
    };
    auto candidates = [&](NodeId first, std::size_t nodes, std::string_view name) {
      std::vector<Candidate> all;
      for (const Tactic* tactic : testedBackend().tactics())
        tactic->match({run.graph(), run.shapes(), 1}, first, all);
      std::erase_if(all, [&](const Candidate& c) {
        return c.nodes.size() != nodes || !c.tactic->name().starts_with(name);
      });
      return all;
    };
    const std::vector<Candidate> together = candidates(1, 4, "conv_expand_depthwise_bf16");
    if (together.empty()) continue;
    const std::vector<Candidate> first = candidates(1, 2, "conv_direct_bf16_amx"),
                                 last = candidates(3, 2, "conv_depthwise_bf16");
    ASSERT_FALSE(first.empty());
    ASSERT_FALSE(last.empty());
    const ReferenceTensor expected =
        compute(last[0], compute(first[0], run.value(together[0].inputs[0]), {}), {});
    for (const Candidate& candidate : together)
      for (const Placement& placement : {Placement{}, Placement{Place::kBoxed, 3}})
        EXPECT_TRUE(
            sameBits({compute(candidate, run.value(candidate.inputs[0]), placement)}, {expected}))
            << candidate.parameters;
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "no such kernels on this device";
}

TEST(LayerTable, HoldsEveryLayer) {
  std::set<std::string> tried;
  for (const LayerFamily& family : layerFamilies()) tried.insert(family.name);
  for (const std::string& layer : LayerRegistry::instance().names())
    EXPECT_TRUE(tried.contains(layer)) << layer << " has no cases";
}

// Layers with one tactic on the CPU, and why that is enough (docs/tuning.md).
const std::map<std::string, std::string>& lonelyLayers() {
  const std::string copies = "moves bytes: the memory decides",
                    folded = "becomes part of its neighbours, or one pass that the memory decides",
                    small = "too small a part of any network here", absent = "in no network here";
  static const std::map<std::string, std::string> reasons = {
      {"batch_norm", folded},    {"cast", copies},
      {"concatenation", copies}, {"constant", copies},
      {"deconvolution", absent}, {"gather", copies},
      {"identity", copies},      {"lrn", absent},
      {"lstm", absent},          {"normalization", absent},
      {"padding", copies},       {"parametric_relu", absent},
      {"pixel_shuffle", copies}, {"plugin", "brings its own code"},
      {"reduce", small},         {"scale", folded},
      {"select", copies},        {"shape", copies},
      {"shuffle", copies},       {"slice", copies},
      {"softmax", small},        {"topk", small},
      {"unary", small}};
  return reasons;
}

TEST(LayerTable, HasRivalTacticsOrAReason) {
  if (testedBackend().name() != "cpu") GTEST_SKIP() << "the reasons are those of the CPU";
  for (const LayerFamily& family : layerFamilies()) {
    if (!LayerRegistry::instance().find(family.name)) continue;  // a group of layers
    std::set<std::string> tactics;
    for (int i = 0; i < family.count; ++i) {
      Random random(static_cast<std::uint32_t>(i + 1));
      LayerCase layerCase = family.make(random, i);
      for (const Candidate& c : CaseRun(layerCase, static_cast<std::uint32_t>(i + 1)).candidates())
        tactics.insert(std::string(c.tactic->name()));
    }
    EXPECT_EQ(tactics.size() < 2, lonelyLayers().contains(family.name))
        << family.name << " has " << tactics.size() << " tactics";
  }
}

// Of each layer's cases, how many each tactic takes, and in which layouts.
TEST(LayerTable, SupportMatrix) {
  std::cout << fmt::format("{:<24}{:<36}{:>9}  {}\n", "layer", "tactic", "cases", "layouts");
  for (const LayerFamily& family : layerFamilies()) {
    struct Support {
      int cases = 0;
      std::set<std::string> layouts;
    };
    std::map<std::string, Support> tactics;
    for (int i = 0; i < family.count; ++i) {
      Random random(static_cast<std::uint32_t>(i + 1));
      LayerCase layerCase = family.make(random, i);
      CaseRun run(layerCase, static_cast<std::uint32_t>(i + 1));
      std::set<std::string> taking;
      for (const Candidate& candidate : run.candidates()) {
        Support& support = tactics[std::string(candidate.tactic->name())];
        if (taking.insert(std::string(candidate.tactic->name())).second) ++support.cases;
        support.layouts.insert(toString(candidate.outputLayouts[0]));
      }
    }
    if (tactics.empty()) tactics["-"];
    std::string name = family.name;
    for (const auto& [tactic, support] : tactics) {
      std::cout << fmt::format("{:<24}{:<36}{:>9}  {}\n", name, tactic,
                               fmt::format("{}/{}", support.cases, family.count),
                               fmt::join(support.layouts, ", "));
      name.clear();
    }
  }
}

}  // namespace
}  // namespace layerwise::test
