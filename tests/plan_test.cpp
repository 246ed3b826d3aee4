#include "engine/plan.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "engine/plan_file.h"
#include "layerwise/error.h"
#include "plan_generated.h"
#include "tests/every_layer.h"
#include "tests/graph_maker.h"
#include "tests/reference_executor.h"

namespace layerwise {
namespace {

using Bytes = std::vector<std::byte>;

// The container's numbers as docs/plan-format.md gives them, written down a second time on purpose.
constexpr std::size_t kHeaderBytes = 192, kChecksumAt = 16, kTableAt = 32, kEntryBytes = 32;

std::uint64_t numberAt(const Bytes& file, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, file.data() + at, sizeof number);
  return number;
}
void setNumber(Bytes& file, std::size_t at, std::uint64_t number) {
  std::memcpy(file.data() + at, &number, sizeof number);
}

/// Makes all sections' checksums right again, where the table can be followed. The weights have
/// none: theirs are in the graph.
Bytes repaired(Bytes file) {
  if (file.size() < kHeaderBytes) return file;
  for (std::size_t i = 0; i < kPlanSections; ++i) {
    std::size_t entry = kTableAt + i * kEntryBytes;
    std::uint64_t offset = numberAt(file, entry + 8), size = numberAt(file, entry + 16);
    std::uint64_t padded = (size + 63) / 64 * 64;
    if (size > file.size() || offset > file.size() || padded > file.size() - offset) continue;
    const bool inGraph = i == static_cast<std::size_t>(PlanSection::kWeights);
    setNumber(file, entry + 24, inGraph ? 0 : XXH3_64bits(file.data() + offset, padded));
  }
  setNumber(file, kChecksumAt, 0);
  setNumber(file, kChecksumAt, XXH3_64bits(file.data(), kHeaderBytes));
  return file;
}

std::string errorOf(const Bytes& file) {
  try {
    readPlan(file).constants->checkAll();
  } catch (const Error& error) {
    std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[engine in memory] ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  return {};
}

void expectError(const Bytes& file, const std::string& part) {
  std::string message = errorOf(file);
  EXPECT_NE(message.find(part), std::string::npos) << "'" << message << "' lacks '" << part << "'";
}

void expectSameGraph(const Graph& a, const Graph& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.numerics, b.numerics);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_EQ(a.values[i].name, b.values[i].name);
    EXPECT_EQ(a.values[i].range, b.values[i].range);
    EXPECT_EQ(a.values[i].producer, b.values[i].producer);
    EXPECT_EQ(a.values[i].producerOutput, b.values[i].producerOutput);
    EXPECT_EQ(a.values[i].consumers, b.values[i].consumers);
  }
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const Node &m = a.nodes[i], &n = b.nodes[i];
    EXPECT_EQ(m.kind, n.kind);
    EXPECT_EQ(m.name, n.name);
    EXPECT_EQ(m.inputs, n.inputs);
    EXPECT_EQ(m.outputs, n.outputs);
    EXPECT_EQ(m.precision, n.precision);
    EXPECT_EQ(m.origin, n.origin);
    EXPECT_EQ(m.kind->attributes->toFields(m.attributes.get()),
              n.kind->attributes->toFields(n.attributes.get()))
        << m.name;
    ASSERT_EQ(m.weights.size(), n.weights.size());
    for (std::size_t w = 0; w < m.weights.size(); ++w) {
      EXPECT_EQ(m.weights[w].type, n.weights[w].type);
      ASSERT_EQ(m.weights[w].count, n.weights[w].count);
      std::size_t size = static_cast<std::size_t>(m.weights[w].count) * sizeOf(m.weights[w].type);
      if (size == 0) continue;
      EXPECT_EQ(std::memcmp(m.weights[w].bytes.get(), n.weights[w].bytes.get(), size), 0);
    }
  }
  ASSERT_EQ(a.inputs.size(), b.inputs.size());
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    EXPECT_EQ(a.inputs[i].value, b.inputs[i].value);
    EXPECT_EQ(a.inputs[i].info, b.inputs[i].info);
    EXPECT_EQ(a.inputs[i].range.min, b.inputs[i].range.min);
    EXPECT_EQ(a.inputs[i].range.opt, b.inputs[i].range.opt);
    EXPECT_EQ(a.inputs[i].range.max, b.inputs[i].range.max);
    EXPECT_EQ(a.inputs[i].defaultValues, b.inputs[i].defaultValues);
  }
  ASSERT_EQ(a.outputs.size(), b.outputs.size());
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    EXPECT_EQ(a.outputs[i].value, b.outputs[i].value);
    EXPECT_EQ(a.outputs[i].name, b.outputs[i].name);
  }
}

/// A graph with all that a plan stores and shape arithmetic, yet few bytes.
PlanContents smallContents() {
  GraphMaker m;
  m.graph.name = "small";
  m.graph.metadata = {{"names", "cat\ndog"}, {"task", "detect"}, {"empty", ""}};
  m.graph.numerics = {DataType::kBFloat16, false, true, false};
  ValueId x = m.input("images", DataType::kFloat32, {-1, 2, -1, 4},
                      {{1, 2, 3, 4}, {2, 2, 4, 4}, {4, 2, 8, 4}});
  ValueId threshold = m.input("threshold", {1});
  m.graph.inputs.back().defaultValues = {0.25};
  m.graph.value(x).range = std::pair(-1.0, 1.5);
  ValueId y = m.convolution(x, 2, 3, 1);
  m.graph.nodes.back().precision = DataType::kFloat32;
  m.graph.nodes.back().origin = {"conv", "norm"};
  Shuffle shuffle;
  shuffle.setReshape({0, -1});
  y = m.add(shuffle, {y});
  y = m.elementwise(y, threshold, ElementWiseOperation::kSum);
  m.output(addScaledBy(m, y, {1.5f, 2.5f}), "y");
  m.output(m.add(Shape{}, {y}), "shape");
  PlanContents contents{m.graph, {}};
  contents.graph.connect();
  ConstantData packed = m.random(40);
  contents.tuned.push_back(
      {"cpu avx2 l2=1MB",
       4,
       "images=2x2x4x4",
       {{{0}, "conv_direct", 3, "mr=6 nv=2", "nchw8c"}, {{1, 2}, "x", 1, "", ""}},
       {{"conv.packed", packed.bytes, 160}, {"none", nullptr, 0}}});
  contents.tuned.push_back({"another", 1, "", {}, {}});
  return contents;
}

class Plan : public testing::Test {
 protected:
  static void SetUpTestSuite() { registerTestPlugin(); }
};

TEST_F(Plan, EveryLayerComesBack) {
  Graph graph = everyLayer();
  std::set<std::string> held;
  for (const Node& node : graph.nodes) held.insert(node.kind->name);
  for (const std::string& name : LayerRegistry::instance().names())
    EXPECT_TRUE(held.contains(name)) << name << " is missing in everyLayer()";
  PlanContents again = readPlan(writePlan({graph, {}}));
  graph.connect();
  expectSameGraph(graph, again.graph);
}

TEST_F(Plan, InputsMetadataRangesAndTuningComeBack) {
  PlanContents contents = smallContents();
  PlanContents again = readPlan(writePlan(contents));
  expectSameGraph(contents.graph, again.graph);
  ASSERT_EQ(again.tuned.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again.tuned[i].device, contents.tuned[i].device);
    EXPECT_EQ(again.tuned[i].threads, contents.tuned[i].threads);
    EXPECT_EQ(again.tuned[i].profile, contents.tuned[i].profile);
    EXPECT_EQ(again.tuned[i].choices, contents.tuned[i].choices);
    ASSERT_EQ(again.tuned[i].blobs.size(), contents.tuned[i].blobs.size());
  }
  const PackedBlob &a = contents.tuned[0].blobs[0], &b = again.tuned[0].blobs[0];
  EXPECT_EQ(a.name, b.name);
  ASSERT_EQ(a.size, b.size);
  EXPECT_EQ(std::memcmp(a.bytes.get(), b.bytes.get(), a.size), 0);
}

TEST_F(Plan, WritingTwiceGivesTheSameBytes) {
  Bytes file = writePlan(smallContents());
  EXPECT_EQ(file, writePlan(readPlan(file)));
}

TEST_F(Plan, APluginGetsItsWeightsAndFieldsBack) {
  Bytes file = writePlan(smallContents());
  Graph before = smallContents().graph, after = readPlan(file).graph;
  GraphMaker m;
  std::map<std::string, ReferenceTensor> inputs{{"images", m.randomTensor({2, 2, 4, 4})}};
  EXPECT_EQ(ReferenceExecutor(before).run(inputs).at("y").values,
            ReferenceExecutor(after).run(inputs).at("y").values);
}

TEST_F(Plan, LargeConstantsOfAMappedFileAreNotCopied) {
  std::string path = testing::TempDir() + "plan_test_mapped.engine";
  GraphMaker m;
  m.output(m.convolution(m.input("x", {1, 64, 3, 3}), 64, 80, 1), "y");
  PlanContents contents{m.graph, {}};
  contents.graph.connect();
  writePlanFile(contents, path);
  PlanContents mapped = readPlanFile(path);
  expectSameGraph(contents.graph, mapped.graph);
  ConstantData kernel = mapped.graph.nodes[0].weights[0];
  auto address = reinterpret_cast<std::uintptr_t>(kernel.bytes.get());
  EXPECT_EQ(address % 64, 0u);

  Bytes file = writePlan(contents);
  std::shared_ptr<const std::byte> memory =
      ConstantData::copyOf(DataType::kUInt8, file.data(), static_cast<std::int64_t>(file.size()))
          .bytes;
  PlanContents shared = readPlan(memory, file.size(), "engine shared");
  const auto isInside = [&](const ConstantData& constant) {
    return constant.bytes.get() >= memory.get() &&
           constant.bytes.get() < memory.get() + file.size();
  };
  EXPECT_TRUE(isInside(shared.graph.nodes[0].weights[0]));
  EXPECT_FALSE(isInside(shared.graph.nodes[0].weights[1]));  // the bias
  EXPECT_GT(memory.use_count(), 1);

  // What a constant points to outlives the rest, and can be read 64 bytes beyond its end.
  std::vector<float> expected(contents.graph.nodes[0].weights[0].as<float>(),
                              contents.graph.nodes[0].weights[0].as<float>() + kernel.count);
  mapped = PlanContents();
  std::filesystem::remove(path);
  EXPECT_EQ(std::vector<float>(kernel.as<float>(), kernel.as<float>() + kernel.count), expected);
  volatile float beyond = kernel.as<float>()[kernel.count + 15];
  static_cast<void>(beyond);
}

TEST_F(Plan, ASharedConstantIsStoredOnce) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 1000});
  ConstantData kernel = m.random(1000 * 1000);
  ValueId y = m.add(FullyConnected{.outputs = 1000}, {x}, {kernel});
  m.output(m.add(FullyConnected{.outputs = 1000}, {y}, {kernel}), "y");
  Bytes file = writePlan({m.graph, {}});
  EXPECT_LT(file.size(), 4'100'000u);
  EXPECT_EQ(readPlan(file).graph.nodes[1].weights[0].count, 1000 * 1000);
}

TEST_F(Plan, EveryFlippedBitIsFound) {
  const Bytes file = writePlan(smallContents());
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = file;
      damaged[i] ^= std::byte{1} << bit;
      ASSERT_FALSE(errorOf(damaged).empty()) << "byte " << i << " bit " << bit;
    }
  }
}

TEST_F(Plan, LargeConstantsAreComparedWithTheirOwnChecksums) {
  GraphMaker m;
  const ValueId x = m.input("x", {1, 64});
  const ConstantData kernel = m.random(64 * 80);
  const auto layer = [&](const std::string& name) {
    m.output(m.add(FullyConnected{.outputs = 80}, {x}, {kernel, m.random(80)}), name);
  };
  layer("y");
  layer("z");
  m.graph.nodes[0].name = "first\nline";
  m.graph.nodes[1].name = "second";
  const Bytes file = writePlan({m.graph, {}});
  EXPECT_EQ(errorOf(file), "");
  Bytes damaged = file;
  damaged[numberAt(file, kTableAt + kEntryBytes + 8) + 20000] ^= std::byte{4};
  const PlanContents contents = readPlan(damaged);
  const auto check = [&](const ConstantData& constant) {
    try {
      contents.constants->check(constant);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  const Graph& graph = contents.graph;
  EXPECT_EQ(check(graph.nodes[0].weights[0]),
            "[engine in memory] is damaged: the checksum of the weights of [fully_connected "
            "first\\x0aline] "
            "differs");
  EXPECT_EQ(check(graph.nodes[0].weights[1]), "");
  EXPECT_EQ(check(kernel), "");  // not of this plan
  expectError(damaged, "[fully_connected first\\x0aline]");

  Bytes twoSums = file;
  auto* weight = const_cast<plan::Weight*>(
      plan::GetGraph(twoSums.data() + kHeaderBytes)->nodes()->Get(1)->weights()->Get(0));
  reinterpret_cast<std::byte*>(weight)[sizeof(plan::Weight) - 1] ^= std::byte{1};
  expectError(repaired(twoSums), "[fully_connected first\\x0aline] and [fully_connected second]");
}

TEST_F(Plan, FlippedBitsUnderRightChecksumsDoNoHarm) {
  const Bytes file = writePlan(smallContents());
  std::mt19937 random(1);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] ^= std::byte{1} << (random() % 8);
    refused += !errorOf(repaired(std::move(damaged))).empty();
  }
  EXPECT_GT(refused, file.size() / 2);
}

TEST_F(Plan, OverwrittenWordsUnderRightChecksumsDoNoHarm) {
  const Bytes file = writePlan({everyLayer(), {}});
  const std::size_t graphEnd = kHeaderBytes + numberAt(file, kTableAt + 16);
  constexpr std::uint32_t kWords[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x01000000};
  std::mt19937 random(2);
  for (int round = 0; round < 4000; ++round) {
    Bytes damaged = file;
    for (int change = 0; change < 1 + round % 3; ++change) {
      std::uint32_t word = kWords[random() % std::size(kWords)];
      std::size_t at = kTableAt + random() % (graphEnd - kTableAt - 4);
      std::memcpy(damaged.data() + at / 4 * 4, &word, sizeof word);
    }
    errorOf(repaired(std::move(damaged)));
  }
}

TEST_F(Plan, EveryTruncationIsFound) {
  const Bytes file = writePlan(smallContents());
  for (std::size_t size = 0; size < file.size(); ++size) {
    Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_FALSE(errorOf(cut).empty()) << size;
    ASSERT_FALSE(errorOf(repaired(cut)).empty()) << size;
  }
  Bytes longer = file;
  longer.resize(file.size() + 64);
  expectError(longer, "followed by something else");
}

TEST_F(Plan, PaddingIsChecked) {
  Bytes file = writePlan(smallContents());
  std::size_t weights = numberAt(file, kTableAt + kEntryBytes + 8);
  // A kernel of six floats and 40 zeros.
  file[weights + 30] = std::byte{1};
  expectError(repaired(file), "between its weights");
  file = writePlan(smallContents());
  std::size_t tuned = kTableAt + 2 * kEntryBytes;
  std::size_t end = numberAt(file, tuned + 8) + numberAt(file, tuned + 16);
  ASSERT_NE(end % 64, 0u);
  file[end] = std::byte{1};
  expectError(repaired(file), "behind section tuned");
}

TEST_F(Plan, OtherFilesAreNamed) {
  auto bytes = [](std::string_view text) {
    auto all = std::as_bytes(std::span(text));
    return Bytes(all.begin(), all.end());
  };
  using std::string_view_literals::operator""sv;
  expectError({}, "is empty");
  expectError(bytes("ftrt\0\0\0\0"sv), "a TensorRT engine");
  expectError(bytes("351\nmodel.0.conv.weight 3456 3c8f5c29"), "is a .wts");
  expectError(bytes("\x1f\x8b\x08\0\0\0\0\0"sv), ".wts.gz");
  expectError(bytes("PK\x03\x04 archive/data.pkl"sv), "a PyTorch checkpoint");
  expectError(bytes("\x08\x07\x12\x07pytorch"sv), "an ONNX model");
  expectError(bytes("hello"), "no Layerwise engine");
  expectError(bytes("LWPLAN"), "too short");
}

TEST_F(Plan, ANewerFormatSaysSo) {
  Bytes file = writePlan(smallContents());
  file[6] = std::byte{kPlanFormatVersion + 1};
  expectError(file, "newer version of Layerwise (plan format 3, this one reads 2)");
}

TEST_F(Plan, AFileThatIsMissingIsAnIoError) {
  try {
    readPlanFile(testing::TempDir() + "no such.engine");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

TEST_F(Plan, APluginThatIsNotRegisteredIsNamed) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 2});
  m.output(addUnregisteredPlugin(m, x), "y");
  try {
    readPlan(writePlan({m.graph, {}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(error.what(),
                 "[engine in memory] [plugin plugin_0] [plugin test_unregistered version 7] is not "
                 "registered in this program (registerPlugin)");
  }
}

/// A graph that the writer takes as it is, changed so that no reader may.
void expectRefused(const std::string& part, const std::function<void(PlanContents&)>& change) {
  PlanContents contents = smallContents();
  change(contents);
  expectError(writePlan(contents), part);
}

TEST_F(Plan, GraphsThatAreNoneAreRefused) {
  auto node = [](PlanContents& c, std::size_t i) -> Node& { return c.graph.nodes[i]; };
  expectRefused("refers to value", [&](auto& c) { node(c, 0).inputs[0] = 1000; });
  expectRefused("refers to value", [&](auto& c) { node(c, 0).outputs[0] = -1; });
  expectRefused("refers to value", [&](auto& c) { c.graph.inputs[0].value = 77; });
  expectRefused("refers to value", [&](auto& c) { c.graph.outputs[0].value = 77; });
  expectRefused("before it is written",
                [&](auto& c) { node(c, 0).inputs[0] = node(c, 1).outputs[0]; });
  expectRefused("a second time", [&](auto& c) { node(c, 1).outputs = node(c, 0).outputs; });
  expectRefused("never written", [&](auto& c) { c.graph.addValue("alone"); });
  expectRefused("inputs", [&](auto& c) { node(c, 0).inputs.clear(); });
  expectRefused("outputs", [&](auto& c) { node(c, 0).outputs.push_back(c.graph.addValue("z")); });
  expectRefused("at most 2 needed", [&](auto& c) { node(c, 0).weights.resize(3); });
  expectRefused("kernel holds 0 values", [&](auto& c) { node(c, 0).weights.clear(); });
  expectRefused("two outputs named y", [&](auto& c) { c.graph.outputs[1].name = "y"; });
  expectRefused("two inputs named images",
                [&](auto& c) { c.graph.value(c.graph.inputs[1].value).name = "images"; });
  expectRefused("no outputs", [&](auto& c) { c.graph.outputs.clear(); });
  expectRefused("default values", [&](auto& c) { c.graph.inputs[1].defaultValues = {1, 2}; });
  expectRefused("layer 9 of", [&](auto& c) { c.tuned[0].choices[0].region = {9}; });
}

TEST_F(Plan, HostileShapesAreRefused) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 45;
  auto range = [](PlanContents& c) -> ShapeRange& { return c.graph.inputs[0].range; };
  expectRefused("its range", [&](auto& c) { range(c).min[0] = 5; });
  expectRefused("its range", [&](auto& c) { range(c).max[1] = 5; });
  expectRefused("its range", [&](auto& c) { range(c).opt.append(5); });
  expectRefused("its range", [&](auto& c) { range(c).min[0] = -1; });
  expectRefused("its range", [&](auto& c) { c.graph.inputs[0].info.dims[1] = -2; });
  expectRefused("is 35184372088832x", [&](auto& c) { range(c).max[0] = kHuge; });
  expectRefused("overflows", [&](auto& c) { range(c).max = {kHuge, 2, kHuge, 4}; });
  expectRefused("all tensors together", [&](auto& c) { range(c).max[0] = kHuge / 2048; });
  auto convolution = [](PlanContents& c, auto&& change) {
    Convolution a = *c.graph.nodes[0].template as<Convolution>();
    change(a);
    c.graph.nodes[0].setAttributes(a);
  };
  auto refuse = [&](const std::string& part, auto&& change) {
    expectRefused(part, [&](auto& c) { convolution(c, change); });
  };
  refuse("kernel", [](Convolution& a) { a.outputs = kHuge; });
  refuse("convolution_0", [](Convolution& a) { a.outputs = -3; });
  refuse("stride", [](Convolution& a) { a.stride = {0, 1}; });
  refuse("kernel", [](Convolution& a) { a.kernel = {kHuge, kHuge}; });
  refuse("padding", [](Convolution& a) { a.prePadding = {-kHuge, 0}; });
  refuse("groups", [](Convolution& a) { a.groups = 0; });
  refuse("dilation", [](Convolution& a) { a.dilation = {0, 0}; });
}

TEST_F(Plan, HostileWeightRangesAreRefused) {
  const Bytes file = writePlan(smallContents());
  auto changed = [&](auto&& change) {
    Bytes copy = file;
    auto* root = plan::GetGraph(copy.data() + kHeaderBytes);
    auto* weight = root->nodes()->Get(0)->weights()->Get(0);
    auto* bytes = reinterpret_cast<std::uint8_t*>(const_cast<plan::Weight*>(weight));
    change([&](std::size_t at, std::uint64_t value, std::size_t size) {
      std::memcpy(bytes + at, &value, size);
    });
    return repaired(copy);
  };
  // struct Weight: type at 0, reserved at 4, count at 8, offset at 16.
  EXPECT_TRUE(errorOf(changed([](auto&&) {})).empty());
  expectError(changed([](auto&& set) { set(0, 8, 4); }), "data type 8");
  expectError(changed([](auto&& set) { set(0, 1, 4); }), "weights");
  expectError(changed([](auto&& set) { set(4, 1, 4); }), "weights of");
  for (std::uint64_t count : {~0ull, 1ull << 62, 1ull << 40, 7ull, 5ull, 0ull})
    EXPECT_FALSE(errorOf(changed([&](auto&& set) { set(8, count, 8); })).empty()) << count;
  for (std::uint64_t offset : {~0ull, ~63ull, 1ull << 63, 1ull << 20, 4ull, 64ull})
    EXPECT_FALSE(errorOf(changed([&](auto&& set) { set(16, offset, 8); })).empty()) << offset;
}

/// A file whose graph has `nodes` nodes, each with `references` to one text, all stored once.
Bytes fileOfReferences(std::size_t nodes, std::size_t references, std::size_t textSize) {
  flatbuffers::FlatBufferBuilder builder;
  auto text = plan::CreateText(builder, builder.CreateString(std::string(textSize, 'x')));
  auto none = [&](auto type) { return builder.CreateVector(std::vector<decltype(type)>()); };
  auto name = builder.CreateString("identity");
  auto weights = builder.CreateVectorOfStructs(std::vector<plan::Weight>());
  auto origin = builder.CreateVector(std::vector(references, text));
  auto node = plan::CreateNode(builder, name, name, none(flatbuffers::Offset<plan::Field>()),
                               none(0), none(0), weights, -1, origin);
  builder.Finish(plan::CreateGraph(
      builder, name, none(flatbuffers::Offset<plan::Metadata>()),
      none(flatbuffers::Offset<plan::Value>()), builder.CreateVector(std::vector(nodes, node)),
      none(flatbuffers::Offset<plan::Input>()), none(flatbuffers::Offset<plan::Output>())));
  flatbuffers::FlatBufferBuilder tuned;
  tuned.Finish(plan::CreateTuned(
      tuned, tuned.CreateVector(std::vector<flatbuffers::Offset<plan::Section>>())));
  auto bytesOf = [](const flatbuffers::FlatBufferBuilder& from) -> PlanPieces {
    return {std::as_bytes(std::span(from.GetBufferPointer(), from.GetSize()))};
  };
  Bytes file;
  writePlanSections(
      {bytesOf(builder), BlobWriter().finish(), bytesOf(tuned), BlobWriter().finish()},
      [&](std::span<const std::byte> piece) {
        file.insert(file.end(), piece.begin(), piece.end());
      });
  return file;
}

TEST_F(Plan, ATextReferredToManyTimesTakesNeitherMemoryNorTime) {
  expectError(fileOfReferences(1, 1 << 17, 1 << 20), "unfolds into more than it holds");
  expectError(fileOfReferences(1 << 20, 1 << 20, 8), "malformed graph section");
}

TEST_F(Plan, NamesFromTheFileStayOnOneLine) {
  PlanContents contents = smallContents();
  contents.graph.nodes[0].name = "two\nlines\x1b[2J";
  contents.graph.nodes[0].weights.clear();
  expectError(writePlan(contents), "two\\x0alines\\x1b[2J");
}

}  // namespace
}  // namespace layerwise
