#include "passes/passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/graph_maker.h"
#include "tests/reference_executor.h"

namespace layerwise {
namespace {

using Tensors = std::map<std::string, ReferenceTensor>;
using Pass = bool (*)(Graph&);

std::vector<std::string> kinds(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes)
    if (node.kind) names.push_back(node.kind->name);
  return names;
}

using Kinds = std::vector<std::string>;

/// The pass must leave every output's name, type, shape and numbers as they were. The numbers
/// differ by the rounding of some float32 operations, relative to the largest of the tensor.
void expectSameOutputs(const Graph& before, const Graph& after, const Tensors& inputs) {
  Tensors expected = ReferenceExecutor(before).run(inputs);
  Tensors actual = ReferenceExecutor(after).run(inputs);
  ASSERT_EQ(expected.size(), actual.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    const ReferenceTensor& other = actual.at(name);
    ASSERT_EQ(tensor.info, other.info) << name;
    double largest = 1;
    for (double value : tensor.values)
      if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      if (tensor.values[i] == other.values[i]) continue;  // infinities too
      ASSERT_NEAR(tensor.values[i], other.values[i], 2e-6 * largest) << name << "[" << i << "]";
    }
  }
}

Tensors randomInputs(GraphMaker& maker) {
  Tensors inputs;
  for (const GraphInput& input : maker.graph.inputs) {
    const Dims& dims = input.info.dims.isDynamic() ? input.range.opt : input.info.dims;
    inputs[maker.graph.value(input.value).name] = maker.randomTensor(dims);
  }
  return inputs;
}

/// Runs the pass until it finds nothing more, checks the numbers, gives the compact result.
Graph apply(GraphMaker& maker, Pass pass, bool expectChange = true) {
  Graph graph = maker.graph;
  EXPECT_EQ(pass(graph), expectChange);
  graph.compact();
  EXPECT_FALSE(pass(graph)) << "the pass does not come to an end";
  graph.compact();
  expectSameOutputs(maker.graph, graph, randomInputs(maker));
  return graph;
}

Graph applyAll(GraphMaker& maker) {
  Graph graph = maker.graph;
  runPasses(graph);
  expectSameOutputs(maker.graph, graph, randomInputs(maker));
  return graph;
}

TEST(RemoveIdentities, TakesOutWhatChangesNothing) {
  GraphMaker m;
  ValueId x = m.activation(m.input("x", {2, 6, 4, 5}), ActivationType::kRelu);
  ValueId y = m.add(Identity{}, {x});
  y = m.add(Cast{DataType::kFloat32}, {y});
  Shuffle shuffle{.firstTranspose = {0, 1, 2, 3}};
  shuffle.setReshape({0, 6, -1, 5});
  y = m.add(shuffle, {y});
  y = m.add(Slice{{0, 0, 0, 0}, {-1, 6, 4, -1}, {1, 1, 1, 1}}, {y});
  y = m.add(Padding{.pre = {0, 0, 0, 0}, .post = {0, 0, 0, 0}}, {y});
  y = m.add(Resize{.size = {2, 6, 4, 5}, .mode = InterpolationMode::kLinear}, {y});
  y = m.add(Concatenation{}, {y});
  y = m.add(Pooling{.window = {1, 1}}, {y});
  y = m.add(Scale{}, {y}, {{}, ConstantData::of(DataType::kFloat32, std::vector<float>(6, 1))});
  m.output(y, "y");
  Graph graph = apply(m, removeIdentities);
  EXPECT_EQ(kinds(graph), (Kinds{"activation"}));
  EXPECT_EQ(graph.outputs[0].name, "y");
}

TEST(RemoveIdentities, KeepsWhatChangesSomething) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 4, 4, 4});
  m.output(m.add(Cast{DataType::kFloat16}, {x}), "cast");
  m.output(m.add(Shuffle{.firstTranspose = {0, 2, 1, 3}}, {x}), "transposed");
  m.output(m.add(Slice{{0, 3, 0, 0}, {1, 4, 4, 4}, {1, -1, 1, 1}}, {x}), "reversed");
  m.output(m.add(Concatenation{}, {x, x}), "twice");
  m.output(m.add(Padding{.pre = {0, 0, 1, 0}, .post = {0, 0, -1, 0}}, {x}), "shifted");
  Pooling pooling{.window = {3, 3}};
  pooling.setPadding({1, 1});
  m.output(m.add(pooling, {x}), "pooled");
  m.output(m.add(Scale{}, {x}, {{}, m.random(4)}), "scaled");
  apply(m, removeIdentities, false);
}

TEST(RemoveIdentities, AnInputIsNoOutput) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 4});
  m.output(m.add(Identity{}, {x}), "y");
  apply(m, removeIdentities, false);
}

TEST(RemoveIdentities, TwoOutputsStayTwoTensors) {
  GraphMaker m;
  ValueId x = m.activation(m.input("x", {1, 4}), ActivationType::kTanh);
  m.output(x, "y");
  m.output(m.add(Identity{}, {x}), "z");
  apply(m, removeIdentities, false);
}

TEST(RemoveIdentities, AReshapeThatIsNoneForSomeShapesOnlyStays) {
  GraphMaker m;
  ValueId x = m.input("x", DataType::kFloat32, {-1, 4}, {{1, 4}, {4, 4}, {8, 4}});
  Shuffle shuffle;
  shuffle.setReshape({-1, 4, 1});
  ValueId y = m.add(shuffle, {x});
  shuffle.setReshape({4, -1});
  m.output(m.add(shuffle, {y}), "y");
  Shuffle same;
  same.setReshape({0, -1});
  m.output(m.activation(m.add(same, {x}), ActivationType::kRelu), "z");
  m.graph.inputs[0].range = {{4, 4}, {4, 4}, {8, 4}};
  Graph graph = apply(m, removeIdentities);
  EXPECT_EQ(kinds(graph), (Kinds{"shuffle", "shuffle", "activation"}));
}

TEST(FoldConstants, EvaluatesWhatDependsOnNoInput) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 3});
  ValueId a = m.constant({3}, {1, 2, 3});
  ValueId b = m.constant({2, 1}, {10, 20});
  ValueId sum = m.elementwise(a, b, ElementWiseOperation::kSum);
  ValueId half = m.add(Unary{UnaryOperation::kReciprocal}, {sum});
  m.output(m.elementwise(x, half, ElementWiseOperation::kMax), "y");
  Graph graph = apply(m, foldConstants);
  EXPECT_EQ(kinds(graph), (Kinds{"constant", "elementwise"}));
}

TEST(FoldConstants, ShapeArithmeticOfAFixedShape) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 4});
  ValueId shape = m.add(Shape{}, {x});
  ValueId reversed = m.add(Gather{}, {shape, m.integers({2, 0, 1})});
  m.output(m.add(Shuffle{}, {x, reversed}), "y");
  Graph folded = apply(m, foldConstants);
  EXPECT_EQ(kinds(folded), (Kinds{"constant", "shuffle"}));
  Graph all = applyAll(m);
  ASSERT_EQ(kinds(all), (Kinds{"shuffle"}));
  EXPECT_EQ(all.nodes[0].as<Shuffle>()->reshape, (Dims{4, 2, 3}));
}

TEST(FoldConstants, ShapeArithmeticOfAnOpenShapeStays) {
  GraphMaker m;
  ValueId x = m.input("x", DataType::kFloat32, {-1, 3, 4}, {{1, 3, 4}, {2, 3, 4}, {8, 3, 4}});
  ValueId shape = m.add(Shape{}, {x});
  ValueId reversed = m.add(Gather{}, {shape, m.integers({2, 0, 1})});
  m.output(m.add(Shuffle{}, {x, reversed}), "y");
  apply(m, foldConstants, false);
}

TEST(AbsorbConstantOperands, SumsAndProductsBecomeScales) {
  using Op = ElementWiseOperation;
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 4, 5});
  auto channels = [&] { return m.constant({3, 1, 1}, m.random(3, 0.5, 2)); };
  m.output(m.elementwise(x, channels(), Op::kSum), "sum");
  m.output(m.elementwise(channels(), x, Op::kProduct), "product");
  m.output(m.elementwise(x, channels(), Op::kSubtract), "minus");
  m.output(m.elementwise(channels(), x, Op::kSubtract), "from");
  m.output(m.elementwise(x, channels(), Op::kDivide), "over");
  m.output(m.elementwise(x, m.constant({}, {2.5f}), Op::kProduct), "times");
  Graph graph = apply(m, absorbConstantOperands);
  EXPECT_EQ(kinds(graph), Kinds(6, "scale"));
}

TEST(AbsorbConstantOperands, OthersStay) {
  using Op = ElementWiseOperation;
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 4, 3});
  auto constant = [&](const Dims& dims) { return m.constant(dims, m.random(dims.volume(), 1, 2)); };
  m.output(m.elementwise(constant({3, 1, 1}), x, Op::kDivide), "inverse");
  m.output(m.elementwise(x, constant({3, 1, 1}), Op::kMax), "max");
  m.output(m.elementwise(x, constant({3}), Op::kSum), "other axis");
  m.output(m.elementwise(x, constant({3, 4, 1}), Op::kSum), "two axes");
  m.output(m.elementwise(x, constant({2, 1, 1, 1, 1}), Op::kSum), "broadcasts");
  m.output(m.elementwise(x, m.constant({3, 1, 1}, {1, 0, 1}), Op::kDivide), "by zero");
  apply(m, absorbConstantOperands, false);
}

TEST(RecognizeFullyConnected, ProductsWithAConstantMatrix) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 5});
  ValueId y = m.add(MatrixMultiply{}, {x, m.constant({5, 7}, m.random(35))});
  y = m.add(MatrixMultiply{.b = MatrixOperation::kTranspose},
            {y, m.constant({4, 7}, m.random(28))});
  m.output(y, "y");
  m.output(m.add(MatrixMultiply{}, {m.constant({4, 3}, m.random(12)), x}), "left");
  Graph graph = apply(m, recognizeFullyConnected);
  EXPECT_EQ(kinds(graph),
            (Kinds{"fully_connected", "fully_connected", "constant", "matrix_multiply"}));
}

TEST(RecognizeFullyConnected, TakesItsBias) {
  GraphMaker m;
  ValueId x = m.input("x", DataType::kFloat32, {-1, -1, 5}, {{1, 1, 5}, {2, 3, 5}, {4, 9, 5}});
  ValueId y = m.add(MatrixMultiply{}, {x, m.constant({5, 7}, m.random(35))});
  m.output(m.elementwise(y, m.constant({7}, m.random(7)), ElementWiseOperation::kSum), "y");
  EXPECT_EQ(kinds(applyAll(m)), (Kinds{"fully_connected"}));
}

TEST(FoldAffine, BatchNormIntoConvolution) {
  for (bool bias : {false, true}) {
    GraphMaker m;
    ValueId x = m.input("x", {2, 6, 7, 5});
    ValueId conv = m.convolution(x, 6, 8, 3, 2, bias);
    m.output(m.batchNorm(conv, 8), "y");
    Graph graph = apply(m, foldAffine);
    ASSERT_EQ(kinds(graph), (Kinds{"convolution"}));
    EXPECT_EQ(graph.nodes[0].name, "convolution_0");
    EXPECT_EQ(graph.nodes[0].origin, (Kinds{"convolution_0", "batch_norm_1"}));
    EXPECT_EQ(graph.value(graph.nodes[0].outputs[0]).name, "batch_norm_1");
  }
}

TEST(FoldAffine, RoundsOnce) {
  GraphMaker m;
  ValueId y = m.convolution(m.input("x", {1, 1, 1, 1}), 1, 64, 1);
  y = m.batchNorm(y, 64);
  y = m.add(Scale{}, {y}, {m.random(64), m.random(64)});
  m.output(y, "y");
  Graph graph = apply(m, foldAffine);
  for (std::size_t c = 0; c < 64; ++c) {
    auto w = [&](std::size_t node, std::size_t slot) {
      return static_cast<double>(m.graph.nodes[node].weights[slot].as<float>()[c]);
    };
    double factor = w(1, 0) / std::sqrt(w(1, 3) + 1e-3) * w(2, 1);
    EXPECT_EQ(graph.nodes[0].weights[0].as<float>()[c], static_cast<float>(w(0, 0) * factor));
  }
}

TEST(FoldAffine, IntoDeconvolutionWithGroups) {
  for (std::int64_t groups : {1, 2, 3}) {
    GraphMaker m;
    ValueId x = m.input("x", {1, 6, 4, 5});
    Deconvolution a{{.outputs = 12, .kernel = {3, 2}, .stride = {2, 2}, .groups = groups}};
    ValueId y = m.add(a, {x}, {m.random(6 * 12 / groups * 6), m.random(12)});
    m.output(m.batchNorm(y, 12), "y");
    EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"deconvolution"}));
  }
}

TEST(FoldAffine, IntoFullyConnected) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 6, 4});
  ValueId y = m.add(FullyConnected{.outputs = 5}, {x}, {m.random(5 * 24)});
  m.output(m.batchNorm(y, 5), "y");
  ValueId z = m.add(FullyConnected{.outputs = 5, .axis = -1}, {x}, {m.random(5 * 4), m.random(5)});
  m.output(m.add(Scale{.channelAxis = 2}, {z}, {m.random(5), m.random(5)}), "z");
  ValueId u = m.add(FullyConnected{.outputs = 5, .axis = -1}, {x}, {m.random(5 * 4), m.random(5)});
  m.output(m.add(Scale{.channelAxis = 1}, {u}, {m.random(6), m.random(6)}), "other axis");
  Graph graph = apply(m, foldAffine);
  EXPECT_EQ(kinds(graph),
            (Kinds{"fully_connected", "fully_connected", "fully_connected", "scale"}));
}

TEST(FoldAffine, ASharedConvolutionKeepsItsOutput) {
  GraphMaker m;
  ValueId conv = m.convolution(m.input("x", {1, 4, 5, 5}), 4, 6, 3);
  m.output(m.batchNorm(conv, 6), "norm");
  m.output(m.activation(conv, ActivationType::kRelu), "raw");
  EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"convolution", "scale", "activation"}));
}

TEST(FoldAffine, AnOutputStaysWhatItIs) {
  GraphMaker m;
  ValueId conv = m.convolution(m.input("x", {1, 4, 5, 5}), 4, 6, 3);
  m.output(conv, "raw");
  m.output(m.batchNorm(conv, 6), "norm");
  EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"convolution", "scale"}));
}

TEST(FoldAffine, AWishForPrecisionStays) {
  GraphMaker m;
  ValueId conv = m.convolution(m.input("x", {1, 4, 5, 5}), 4, 6, 3);
  m.output(m.batchNorm(conv, 6), "y");
  m.graph.nodes[1].precision = DataType::kFloat32;
  EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"convolution", "scale"}));
  m.graph.nodes[0].precision = DataType::kFloat32;
  EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"convolution"}));
}

TEST(FoldAffine, ScalesMerge) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 4, 4});
  ValueId y = m.batchNorm(x, 3);
  y = m.add(Scale{ScaleMode::kUniform}, {y}, {m.random(1), m.random(1)});
  y = m.add(Scale{.channelAxis = -3}, {y}, {m.random(3)});
  y = m.add(Scale{.channelAxis = 2}, {y}, {m.random(4), m.random(4)});
  m.output(y, "y");
  EXPECT_EQ(kinds(apply(m, foldAffine)), (Kinds{"scale", "scale"}));
}

TEST(FoldAffine, PowersAndElementwiseScalesStay) {
  GraphMaker m;
  ValueId x = m.activation(m.input("x", {2, 3, 4, 4}), ActivationType::kSigmoid);
  ValueId y = m.add(Scale{}, {x}, {m.random(3, 0, 1), m.random(3, 0.5, 1), m.random(3, 1, 2)});
  y = m.add(Scale{ScaleMode::kElementwise}, {y}, {m.random(48), m.random(48)});
  m.output(y, "y");
  apply(m, foldAffine, false);
}

TEST(RecognizeGlobalPooling, WindowsAndReductions) {
  GraphMaker m;
  ValueId x = m.input("x", {2, 3, 7, 5});
  m.output(m.add(Pooling{.type = PoolingType::kAverage, .window = {7, 5}, .stride = {1, 1}}, {x}),
           "pooled");
  m.output(m.add(Reduce{ReduceOperation::kAverage, {-1, 2}, true}, {x}), "mean");
  m.output(m.add(Reduce{ReduceOperation::kMax, {2, 3}, false}, {x}), "max");
  Graph graph = apply(m, recognizeGlobalPooling);
  EXPECT_EQ(kinds(graph), (Kinds{"pooling", "pooling", "pooling", "shuffle"}));
  for (const Node& node : graph.nodes) {
    if (auto* pooling = node.as<Pooling>()) {
      EXPECT_TRUE(pooling->global);
    }
  }
}

TEST(RecognizeGlobalPooling, OthersStay) {
  GraphMaker m;
  ValueId x =
      m.input("x", DataType::kFloat32, {1, 3, -1, 5}, {{1, 3, 5, 5}, {1, 3, 7, 5}, {1, 3, 9, 5}});
  m.output(m.add(Pooling{.type = PoolingType::kAverage, .window = {5, 5}, .stride = {5, 5}}, {x}),
           "open");
  m.output(m.add(Reduce{ReduceOperation::kAverage, {1, 2, 3}, true}, {x}), "channels");
  m.output(m.add(Reduce{ReduceOperation::kSum, {2, 3}, true}, {x}), "sum");
  apply(m, recognizeGlobalPooling, false);
}

TEST(RecognizeSilu, EitherOrder) {
  for (bool swapped : {false, true}) {
    GraphMaker m;
    ValueId x = m.input("x", {1, 3, 4, 4});
    ValueId s = m.activation(x, ActivationType::kSigmoid);
    m.output(m.elementwise(swapped ? s : x, swapped ? x : s, ElementWiseOperation::kProduct), "y");
    Graph graph = apply(m, recognizeSilu);
    ASSERT_EQ(kinds(graph), (Kinds{"activation"}));
    EXPECT_EQ(graph.nodes[0].as<Activation>()->type, ActivationType::kSilu);
    EXPECT_EQ(graph.nodes[0].origin, (Kinds{"activation_0", "elementwise_1"}));
  }
}

TEST(RecognizeSilu, OthersStay) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 3, 4, 4}), z = m.input("z", {1, 3, 4, 4});
  ValueId s = m.activation(x, ActivationType::kSigmoid);
  m.output(m.elementwise(z, s, ElementWiseOperation::kProduct), "another tensor");
  ValueId shared = m.activation(x, ActivationType::kSigmoid);
  m.output(m.elementwise(x, shared, ElementWiseOperation::kProduct), "shared");
  m.output(shared, "gate");
  ValueId t = m.activation(x, ActivationType::kSigmoid);
  m.output(m.elementwise(x, t, ElementWiseOperation::kSum), "sum");
  apply(m, recognizeSilu, false);
}

TEST(RecognizeHardSwish, ItsSpellings) {
  using Op = ElementWiseOperation;
  auto number = [](GraphMaker& m, float v) { return m.constant({1, 1, 1, 1}, {v}); };
  auto relu6 = [&](GraphMaker& m, ValueId x) {
    return m.activation(m.elementwise(x, number(m, 3), Op::kSum), ActivationType::kClip, 0, 6);
  };
  for (int form = 0; form < 4; ++form) {
    GraphMaker m;
    ValueId x = m.activation(m.input("x", {1, 3, 4, 4}), ActivationType::kTanh);
    ValueId y = kNone;
    if (form == 0)
      y = m.elementwise(m.elementwise(x, relu6(m, x), Op::kProduct), number(m, 6), Op::kDivide);
    if (form == 1)
      y = m.elementwise(x, m.elementwise(relu6(m, x), number(m, 6), Op::kDivide), Op::kProduct);
    if (form == 2)
      y = m.elementwise(m.elementwise(relu6(m, x), number(m, 1.0f / 6), Op::kProduct), x,
                        Op::kProduct);
    if (form == 3)
      y = m.elementwise(x, m.activation(x, ActivationType::kHardSigmoid, 1.0 / 6, 0.5),
                        Op::kProduct);
    m.output(y, "y");
    Graph graph = applyAll(m);
    ASSERT_EQ(kinds(graph), (Kinds{"activation", "activation"})) << form;
    EXPECT_EQ(graph.nodes[1].as<Activation>()->type, ActivationType::kHardSwish) << form;
  }
}

TEST(RecognizeHardSwish, OthersStay) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 3, 4, 4});
  auto hard = [&](double alpha, double beta) {
    return m.activation(x, ActivationType::kHardSigmoid, alpha, beta);
  };
  m.output(m.elementwise(x, hard(0.2, 0.5), ElementWiseOperation::kProduct), "keras");
  m.output(m.elementwise(x, hard(1.0 / 6, 0.25), ElementWiseOperation::kProduct), "shifted");
  apply(m, recognizeHardSwish, false);
}

TEST(RecognizeMish, SoftplusAndTanh) {
  for (double alpha : {1.0, 2.0}) {
    GraphMaker m;
    ValueId x = m.input("x", {1, 3, 4, 4});
    ValueId s =
        m.activation(m.activation(x, ActivationType::kSoftplus, alpha, 1), ActivationType::kTanh);
    m.output(m.elementwise(s, x, ElementWiseOperation::kProduct), "y");
    Graph graph = apply(m, recognizeMish, alpha == 1);
    EXPECT_EQ(graph.nodes.size(), alpha == 1 ? 1u : 3u);
  }
}

TEST(MergeSiblings, OneConvolutionOneActivationAndSlices) {
  GraphMaker m;
  ValueId x =
      m.input("x", DataType::kFloat32, {-1, 6, -1, 5}, {{1, 6, 4, 5}, {2, 6, 7, 5}, {4, 6, 9, 5}});
  ValueId a = m.activation(m.convolution(x, 6, 5, 1), ActivationType::kSilu);
  ValueId b = m.activation(m.convolution(x, 6, 3, 1, 1, false), ActivationType::kSilu);
  ValueId deep = m.activation(m.convolution(a, 5, 5, 3), ActivationType::kRelu);
  m.output(m.add(Concatenation{}, {deep, b}), "y");
  Graph graph = apply(m, mergeSiblings);
  EXPECT_EQ(kinds(graph), (Kinds{"convolution", "activation", "slice", "slice", "convolution",
                                 "activation", "concatenation"}));
  EXPECT_EQ(graph.nodes[0].as<Convolution>()->outputs, 8);
  EXPECT_EQ(graph.nodes[0].origin, (Kinds{"convolution_0", "convolution_2"}));
  EXPECT_EQ(graph.value(graph.nodes[2].outputs[0]).name, "activation_1");
}

TEST(MergeSiblings, ReadersBetweenTheSiblingsAreNoMatter) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 4, 3, 3});
  ValueId a = m.convolution(x, 4, 2, 1);
  ValueId pooled = m.add(Pooling{.window = {3, 3}}, {a});
  m.output(pooled, "pooled");
  ValueId b = m.convolution(x, 4, 3, 1);
  m.output(b, "b");
  Graph graph = apply(m, mergeSiblings);
  EXPECT_EQ(kinds(graph), (Kinds{"convolution", "slice", "slice", "pooling"}));
}

TEST(MergeSiblings, OthersStay) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 6, 6, 6});
  auto conv = [&] { return m.convolution(x, 6, 6, 1); };
  m.output(m.activation(conv(), ActivationType::kRelu), "relu");
  m.output(m.activation(conv(), ActivationType::kTanh), "tanh");
  m.output(m.convolution(x, 6, 6, 3), "3x3");
  m.output(m.convolution(x, 6, 6, 1, 2), "groups");
  m.output(m.elementwise(conv(), x, ElementWiseOperation::kSum), "residual");
  Convolution strided{{.outputs = 4, .kernel = {1, 1}, .stride = {2, 2}}};
  m.output(m.add(strided, {x}, {m.random(24)}), "strided");
  ValueId precise = conv();
  m.graph.nodes.back().precision = DataType::kFloat32;
  m.output(precise, "precise");
  apply(m, mergeSiblings, false);
}

TEST(RunPasses, AC3BlockAsTheNetworkWritesIt) {
  GraphMaker m;
  auto block = [&](ValueId x, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    ValueId y = m.batchNorm(m.convolution(x, in, out, kernel, 1, false), out);
    return m.elementwise(y, m.activation(y, ActivationType::kSigmoid),
                         ElementWiseOperation::kProduct);
  };
  ValueId x = m.input("x", {1, 8, 6, 6});
  ValueId a = block(x, 8, 4, 1), b = block(x, 8, 4, 1);
  ValueId inner = m.elementwise(a, block(block(a, 4, 4, 1), 4, 4, 3), ElementWiseOperation::kSum);
  m.output(block(m.add(Concatenation{}, {inner, b}), 8, 8, 1), "y");
  Graph graph = applyAll(m);
  EXPECT_EQ(kinds(graph), (Kinds{"convolution", "activation", "slice", "slice", "convolution",
                                 "activation", "convolution", "activation", "elementwise",
                                 "concatenation", "convolution", "activation"}));
  Graph again = graph;
  runPasses(again);
  EXPECT_EQ(kinds(again), kinds(graph));
}

TEST(RunPasses, UnusedLayersGo) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 8});
  m.activation(x, ActivationType::kRelu);
  m.output(m.activation(x, ActivationType::kTanh), "y");
  EXPECT_EQ(applyAll(m).nodes.size(), 1u);
}

}  // namespace
}  // namespace layerwise
