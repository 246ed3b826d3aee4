// Whatever a plan file may say of a layer's attributes: its shape rule either throws an Error or
// gives shapes for which the reference computation and every tactic run within their memory. Most
// telling under the sanitizers.
#include <gtest/gtest.h>

#include <limits>

#include "layer_cases.h"
#include "layer_harness.h"

namespace layerwise::test {
namespace {

constexpr std::int64_t kNumbers[] = {0,
                                     -1,
                                     1,
                                     2,
                                     3,
                                     7,
                                     8,
                                     -2,
                                     -8,
                                     64,
                                     1 << 20,
                                     (1 << 20) + 1,
                                     std::int64_t{1} << 31,
                                     std::int64_t{1} << 40,
                                     std::int64_t{1} << 62,
                                     std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min()};
const double kReals[] = {
    0, -1, 1, 0.5, 1e-300, 1e300, -1e300, std::nan(""), std::numeric_limits<double>::infinity()};

template <class T, std::size_t N>
T any(Random& r, const T (&values)[N]) {
  return values[r.pick(0, N - 1)];
}

Field::Value mutated(Random& r, Field::Value value) {
  auto changeList = [&](auto& list, auto number) {
    if (r.chance(0.3)) list.resize(static_cast<std::size_t>(r.pick(0, 8)), number());
    if (!list.empty())
      list[static_cast<std::size_t>(r.pick(0, static_cast<std::int64_t>(list.size()) - 1))] =
          number();
  };
  if (std::holds_alternative<std::int64_t>(value)) return any(r, kNumbers);
  if (std::holds_alternative<double>(value)) return any(r, kReals);
  if (auto* list = std::get_if<std::vector<std::int64_t>>(&value))
    changeList(*list, [&] { return any(r, kNumbers); });
  if (auto* list = std::get_if<std::vector<double>>(&value))
    changeList(*list, [&] { return any(r, kReals); });
  return value;
}

struct Outcome {
  int refused = 0, ran = 0;
};

/// Infers, and runs the candidates where the tensors are small enough for a test. Running may throw
/// an Error too: a gather's index is checked then.
void tryGraph(Graph& graph, const std::vector<Dims>& dims, const CaseRun& run, Outcome& outcome) {
  constexpr std::int64_t kLargest = 1 << 16;
  ShapeTable shapes = inferShapes(graph, dims);
  for (const TensorInfo& info : shapes.values)
    if (info.dims.volume() > kLargest) return;
  std::vector<Candidate> candidates;
  NodeId last = static_cast<NodeId>(graph.nodes.size()) - 1;
  for (const auto& tactic : testedBackend().tactics())
    tactic->match({graph, shapes, 1}, last, candidates);
  std::vector<ReferenceTensor> values;
  for (const TensorInfo& info : shapes.values) values.emplace_back(info);
  // The case's own numbers where they still fit: a detector's options of zero are refused.
  for (const GraphInput& input : graph.inputs) {
    ReferenceTensor& given = values[static_cast<std::size_t>(input.value)];
    if (run.value(input.value).info.dims == given.info.dims) given = run.value(input.value);
  }
  for (const Candidate& candidate : candidates) {
    std::vector<const ReferenceTensor*> inputs;
    for (ValueId id : candidate.inputs) inputs.push_back(&values[static_cast<std::size_t>(id)]);
    auto packed = candidate.tactic->pack(graph, candidate);
    EXPECT_TRUE(runCandidate(graph, candidate, packed, shapes, inputs, {}, 1).guards)
        << candidate.tactic->name();
  }
  const Node& node = graph.node(last);
  std::vector<ReferenceTensor> inputs, weights, outputs;
  for (ValueId id : node.inputs) inputs.push_back(values[static_cast<std::size_t>(id)]);
  for (const ConstantData& w : node.weights)
    weights.push_back(ReferenceTensor::read({w.type, {w.count}}, w.bytes.get()));
  for (ValueId id : node.outputs) outputs.push_back(values[static_cast<std::size_t>(id)]);
  // Shape tensors must hold the values that the shapes followed from.
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (const auto& integers = shapes.integers[static_cast<std::size_t>(node.inputs[i])])
      inputs[i].values.assign(integers->begin(), integers->end());
  node.kind->reference(node.attributes.get(), {inputs, weights, outputs});
  ++outcome.ran;
}

class HostileAttributes : public testing::TestWithParam<LayerFamily> {};

TEST_P(HostileAttributes, AreRefusedOrHarmless) {
  const LayerFamily& family = GetParam();
  Outcome outcome;
  for (int i = 0; i < 2 * family.count; ++i) {
    Random random(static_cast<std::uint32_t>(1000 + i));
    LayerCase layerCase = family.make(random, i);
    CaseRun run(layerCase, 1);
    std::vector<Dims> dims;
    for (const CaseInput& input : layerCase.inputs) dims.push_back(input.dims);
    for (int change = 0; change < 6; ++change) {
      Graph graph = run.graph();
      Node& node = graph.nodes.back();
      Fields fields = node.kind->attributes->toFields(node.attributes.get());
      if (!fields.all().empty() && node.kind->name != PluginLayer::kKind) {
        auto last = static_cast<std::int64_t>(fields.all().size()) - 1;
        Field field = fields.all()[static_cast<std::size_t>(random.pick(0, last))];
        fields.set(field.name, mutated(random, field.value));
        try {
          node.attributes = node.kind->attributes->fromFields(fields, {});
        } catch (const Error&) {
          ++outcome.refused;
          continue;
        }
      }
      std::vector<Dims> changed = dims;
      if (!changed.empty() && random.chance(0.4)) {
        Dims& one = changed[static_cast<std::size_t>(
            random.pick(0, static_cast<std::int64_t>(changed.size()) - 1))];
        if (!one.empty())
          one[static_cast<int>(random.pick(0, one.rank() - 1))] = any(random, kNumbers);
      }
      SCOPED_TRACE(node.kind->name + " " + toString(fields));
      try {
        tryGraph(graph, changed, run, outcome);
      } catch (const Error&) {
        ++outcome.refused;
      }
    }
  }
  EXPECT_GT(outcome.ran, 0);
}

INSTANTIATE_TEST_SUITE_P(All, HostileAttributes, testing::ValuesIn(layerFamilies()),
                         [](const auto& family) { return family.param.name; });

std::string messageOf(const std::function<void(Network&, Tensor&)>& define) {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {2, 6, 5, 4});
  try {
    define(network, x);
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(LayerErrors, NameTheLayerTheAttributeAndTheShapes) {
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) { n.addSoftmax(x, 4).output().dims(); }),
            "[softmax softmax_0] axis 4 is outside a tensor of 4 axes");
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) {
              n.addReduce(x, ReduceOperation::kSum, {1, -3}, false).output().dims();
            }),
            "[reduce reduce_0] axes 1x-3: -3 is named twice for a tensor of 4 axes");
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) {
              auto& shuffle = n.addShuffle(x);
              shuffle->setReshape({2, 7, -1});
              shuffle.output().dims();
            }),
            "[shuffle shuffle_0] reshape 2x7x-1 does not hold the 240 values of 2x6x5x4");
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) {
              auto& pool = n.addPooling(x, PoolingType::kMax, {2, 2});
              pool->setPadding({2, 0});
              pool.output().dims();
            }),
            "[pooling pooling_0] padding 2x0 and 2x0 must be smaller than the window 2x2");
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) {
              n.addSlice(x, {0, 0, 0, 0}, {2, 6, 6, 4}).output().dims();
            }),
            "[slice slice_0] size 6 on axis 2 is not 0...5 (input 2x6x5x4, start 0, step 1)");
  EXPECT_EQ(messageOf([](Network& n, Tensor& x) {
              Tensor& y = n.addReduce(x, ReduceOperation::kSum, {1}, true).output();
              n.addConcatenation({&x, &y}, 2).output().dims();
            }),
            "[concatenation concatenation_1] input 1 is 2x1x5x4 and input 0 is 2x6x5x4: they may "
            "differ on axis 2 alone");
}

}  // namespace
}  // namespace layerwise::test
