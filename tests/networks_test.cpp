#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"
#include "tests/synthetic_weights.h"

namespace layerwise {
namespace {

using Options = std::map<std::string, std::string>;
using Task = SyntheticWeights::Task;

Network define(const std::string& family, const WeightMap& weights, const Options& options = {}) {
  return NetworkRegistry::instance().define(family, weights, options);
}

Dims outputDims(const Network& network, std::string_view name) {
  for (int i = 0; i < network.outputCount(); ++i)
    if (network.outputName(i) == name) return network.output(i).dims();
  ADD_FAILURE() << "no output " << name;
  return {};
}

Dims inputDims(const Network& network, std::string_view name) {
  for (int i = 0; i < network.inputCount(); ++i)
    if (network.input(i).name() == name) return network.input(i).dims();
  ADD_FAILURE() << "no input " << name;
  return {};
}

/// Unused keys other than the counters that PyTorch's batch norm keeps.
std::vector<std::string> strayKeys(const WeightMap& weights) {
  std::vector<std::string> stray;
  for (const std::string& key : weights.unusedKeys())
    if (!key.ends_with("num_batches_tracked")) stray.push_back(key);
  return stray;
}

std::string errorOf(const std::string& family, const WeightMap& weights,
                    const Options& options = {}) {
  try {
    Network network = define(family, weights, options);
    for (int i = 0; i < network.outputCount(); ++i) network.output(i).dims();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void expectHas(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), text.npos) << "'" << word << "' is not in: " << text;
}

WeightMap yolov5(const SyntheticWeights::YoloV5& v, bool fused = false) {
  SyntheticWeights weights(fused);
  weights.yolov5(v);
  return weights.take();
}

TEST(Yolov5, ReadsEveryPublishedVariantOffTheWeights) {
  const std::tuple<std::string, double, double> variants[] = {
      {"n", 1.0 / 3, 0.25}, {"s", 1.0 / 3, 0.5}, {"m", 2.0 / 3, 0.75}};
  for (const auto& [letter, depth, width] : variants)
    for (int levels : {3, 4}) {
      WeightMap weights = yolov5({depth, width, 7, levels});
      const std::string name = letter + (levels == 4 ? "6" : "");
      Network network = define("yolov5", weights, {{"raw", "true"}, {"variant", name}});
      EXPECT_EQ(network.metadata().at("variant"), name);
      EXPECT_EQ(network.metadata().at("classes"), "7");
      EXPECT_EQ(network.metadata().at("task"), "detect");
      const std::int64_t side = levels == 3 ? 640 : 1280;
      EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, side, side}));
      EXPECT_EQ(outputDims(network, "count"), (Dims{1}));
      EXPECT_EQ(outputDims(network, "detections"), (Dims{1, 1000, 6}));
      EXPECT_EQ(outputDims(network, "raw"), (Dims{1, levels == 3 ? 25200 : 102000, 12}));
      EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
    }
}

TEST(Yolov5, TakesAnyWidthAndDepthAndFusedWeights) {
  WeightMap weights = yolov5({0.5, 0.1875, 3}, true);
  Network network = define("yolov5", weights, {{"imgsz", "64x96"}, {"variant", "c 0.5 0.1875"}});
  EXPECT_EQ(network.metadata().at("variant"), "custom");
  EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, 64, 96}));
  EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
}

TEST(Yolov5, SegmentsAndClassifies) {
  WeightMap segment = yolov5({.classes = 4, .task = Task::kSegment});
  Network network = define("yolov5", segment, {{"imgsz", "128"}});
  EXPECT_EQ(network.metadata().at("task"), "segment");
  EXPECT_EQ(network.metadata().at("classes"), "4");
  EXPECT_EQ(outputDims(network, "detections"), (Dims{1, 1000, 38}));
  EXPECT_EQ(outputDims(network, "proto"), (Dims{1, 32, 32, 32}));
  EXPECT_EQ(strayKeys(segment), std::vector<std::string>{});

  WeightMap classify = yolov5({.classes = 10, .task = Task::kClassify});
  network = define("yolov5", classify);
  EXPECT_EQ(network.metadata().at("task"), "classify");
  EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, 224, 224}));
  EXPECT_EQ(outputDims(network, "scores"), (Dims{1, 10}));
  EXPECT_EQ(strayKeys(classify), std::vector<std::string>{});
}

TEST(Yolov5, LeavesBatchAndSizeOpenWhereAsked) {
  WeightMap weights = yolov5({});
  Network network =
      define("yolov5", weights, {{"batch", "8"}, {"dynamic", "true"}, {"imgsz", "320x640"}});
  EXPECT_EQ(inputDims(network, "images"), (Dims{-1, 3, -1, -1}));
  EXPECT_EQ(outputDims(network, "detections"), (Dims{-1, 1000, 6}));
  const OptimizationProfile profile = defaultProfile(network);
  const ShapeRange& range = profile.inputs.at("images");
  EXPECT_EQ(range.min, (Dims{1, 3, 32, 32}));
  EXPECT_EQ(range.opt, (Dims{1, 3, 320, 640}));
  EXPECT_EQ(range.max, (Dims{8, 3, 320, 640}));
}

TEST(Yolov5, ABatchHasTheBitsOfItsImages) {
  constexpr std::int64_t kBatch = 5, kImage = 3 * 96 * 128;
  for (Task task : {Task::kDetect, Task::kSegment}) {
    WeightMap weights = yolov5({.classes = 4, .task = task});
    Network network =
        define("yolov5", weights, {{"batch", "5"}, {"imgsz", "96x128"}, {"raw", "true"}});
    const auto engine = buildEngine(
        network, {.threads = 2, .optimizationLevel = 0, .profile = defaultProfile(network)});
    std::vector<float> images(kBatch * kImage);
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i] = static_cast<float>((i * 2654435761u >> 8) % 997) / 997;
    using Outputs = std::map<std::string, std::vector<float>>;
    const auto run = [&](ExecutionContext& context, std::int64_t first, std::int64_t count) {
      context.setInput("images", images.data() + first * kImage, {count, 3, 96, 128});
      Outputs outputs;
      for (const IoInfo& io : engine->outputs()) {
        auto& values = outputs[io.name];
        values.resize(static_cast<std::size_t>(context.outputDims(io.name).volume()));
        context.setOutput(io.name, values.data());
      }
      context.run();
      return outputs;
    };
    const auto context = engine->createContext();
    const Outputs batch = run(*context, 0, kBatch);
    for (std::int64_t image = 0; image < kBatch; ++image)
      for (const auto& [name, values] : run(*context, image, 1)) {
        const float* part =
            batch.at(name).data() + image * static_cast<std::int64_t>(values.size());
        EXPECT_EQ(std::memcmp(part, values.data(), values.size() * sizeof(float)), 0)
            << name << " of image " << image;
      }
  }
}

TEST(Yolov5, TakesSizeAndNamesFromTheSidecar) {
  WeightMap weights = yolov5({.classes = 2});
  weights.metadata() = {{"imgsz", "416"}, {"names", "cat\ndog"}};
  EXPECT_EQ(inputDims(define("yolov5", weights), "images"), (Dims{1, 3, 416, 416}));
  EXPECT_EQ(inputDims(define("yolov5", weights, {{"imgsz", "320"}}), "images"),
            (Dims{1, 3, 320, 320}));
  EXPECT_EQ(define("yolov5", weights).metadata().at("names"), "cat\ndog");
  EXPECT_EQ(define("yolov5", weights, {{"names", "a,b"}}).metadata().at("names"), "a\nb");
  expectHas(errorOf("yolov5", weights, {{"names", "a,b,c"}}), {"3 names", "2 classes"});
}

TEST(Yolov5, ContradictionsShowBothNumbers) {
  WeightMap weights = yolov5({});
  expectHas(errorOf("yolov5", weights, {{"imgsz", "650"}}),
            {"[yolov5 option imgsz]", "650", "32", "672"});
  expectHas(errorOf("yolov5", weights, {{"imgsz", "64x"}}), {"[yolov5 option imgsz]", "'64x'"});
  expectHas(errorOf("yolov5", weights, {{"variant", "s"}}), {"32 channels", "16", "'n'"});
  expectHas(errorOf("yolov5", weights, {{"variant", "n6"}}), {"4 pyramid levels", "3"});
  expectHas(errorOf("yolov5", weights, {{"variant", "c 1 0.25"}}),
            {"3 bottlenecks", "layer 2", "have 1"});
  expectHas(errorOf("yolov5", weights, {{"variant", "z"}}), {"'z'", "DEPTH WIDTH"});
  expectHas(errorOf("yolov5", weights, {{"batch", "0"}}), {"[yolov5 option batch]", "'0'"});
  expectHas(errorOf("yolov5", weights, {{"size", "640"}}), {"no option 'size'", "imgsz"});
}

TEST(Yolov5, RefusesOtherNetworksByName) {
  auto withKeys = [](const std::vector<std::string>& keys) {
    SyntheticWeights weights;
    for (const std::string& key : keys) weights.tensor(key, 16);
    return weights.take();
  };
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"model.0.conv.conv.weight", "model.24.m.0.weight"}, "Focus"},
      {{"model.0.conv.weight", "model.2.cv4.conv.weight", "model.2.bn.weight"}, "BottleneckCSP"},
      {{"model.0.conv.weight", "model.2.cv3.conv.weight", "model.31.m.0.weight",
        "model.31.m.3.weight"},
       "P2"},
      {{"model.0.conv.weight", "model.2.cv3.conv.weight", "model.2.m.0.conv.0.cv1.conv.weight"},
       "ghost"},
      {{"model.0.conv.weight", "model.2.cv3.conv.weight", "model.8.m.tr.0.q.weight"},
       "transformer"},
      {{"model.22.dfl.conv.weight", "model.2.m.0.cv1.conv.weight"}, "YOLOv8"},
      {{"model.10.m.0.attn.qkv.conv.weight", "model.23.dfl.conv.weight"}, "YOLO11"},
      {{"model.24.dfl.conv.weight", "model.2.cv3.conv.weight"}, "YOLOv5u"},
      {{"model.105.m.0.weight", "model.0.conv.weight"}, "YOLOv7"},
      {{"model.28.m.0.weight", "model.2.cv1.conv.weight"}, "YOLOv3"},
      {{"conv1.weight", "bn1.weight", "layer1.0.conv1.weight"}, "'resnet'"},
      {{"features.0.0.weight", "features.1.conv.0.0.weight"}, "'mobilenetv2'"},
      {{"features.0.weight", "classifier.0.weight", "classifier.6.weight"}, "VGG"},
      {{"cls.0.weight", "pool.weight", "model.conv1.weight"}, "'lane'"},
  };
  for (const auto& [keys, name] : cases)
    expectHas(errorOf("yolov5", withKeys(keys)), {"[yolov5]", name, "key '"});
  expectHas(errorOf("yolov5", withKeys({"something.weight"})), {"something"});
}

TEST(Yolov5, DamagedWeightsNameTheKey) {
  SyntheticWeights made;
  made.yolov5({});
  WeightMap whole = made.take(), damaged;
  for (const std::string& key : whole.keys()) {
    const auto count = static_cast<std::size_t>(whole.count(key));
    if (key == "model.13.cv2.bn.running_var") continue;
    damaged.add(key, std::vector<float>(count));
  }
  expectHas(errorOf("yolov5", damaged), {"model.13.cv2.bn.running_var"});
}

TEST(ResNet, ReadsPublishedVariantsOffTheWeights) {
  using R = SyntheticWeights::Resnet;
  const std::pair<R, std::string> cases[] = {
      {{}, "resnet18"},
      {{.blocks = {3, 4, 6, 3}}, "resnet34"},
      {{.blocks = {3, 4, 6, 3}, .bottleneck = true}, "resnet50"},
      {{.blocks = {3, 4, 6, 3}, .bottleneck = true, .widthPerGroup = 128}, "wide_resnet50_2"},
      {{.blocks = {3, 4, 6, 3}, .bottleneck = true, .groups = 32, .widthPerGroup = 4},
       "resnext50_32x4d"},
      {{.blocks = {3, 3, 3}, .stem = 16, .kernel = 3, .projections = false}, "resnet20 (CIFAR)"},
      {{.blocks = {18, 18, 18}, .stem = 16, .kernel = 3, .projections = false},
       "resnet110 (CIFAR)"},
      {{.blocks = {1, 2}, .stem = 8}, "basic blocks 1+2"}};
  for (const auto& [r, name] : cases) {
    SyntheticWeights made;
    made.dense("fc", made.resnet(r), 11);
    WeightMap weights = made.take();
    Network network = define("resnet", weights);
    EXPECT_EQ(network.metadata().at("variant"), name);
    EXPECT_EQ(network.metadata().at("classes"), "11");
    const std::int64_t side = r.kernel == 3 ? 32 : 224;
    EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, side, side}));
    EXPECT_EQ(outputDims(network, "scores"), (Dims{1, 11}));
    EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
  }
}

TEST(ResNet, KeepsItsPreprocessing) {
  SyntheticWeights made;
  made.dense("fc", made.resnet({}), 5);
  WeightMap weights = made.take();
  Network network = define("resnet", weights, {{"mean", "0.5,0.5,0.25"}, {"imgsz", "192"}});
  EXPECT_EQ(network.metadata().at("preprocess.kind"), "resize_crop");
  EXPECT_EQ(network.metadata().at("preprocess.resize"), "256");
  EXPECT_EQ(network.metadata().at("preprocess.crop"), "192x192");
  EXPECT_EQ(network.metadata().at("preprocess.mean"), "0.5,0.5,0.25");
  EXPECT_EQ(network.metadata().at("preprocess.std"), "0.229,0.224,0.225");
  expectHas(errorOf("resnet", weights, {{"mean", "0.5"}}), {"1 numbers", "3 channels"});
  expectHas(errorOf("resnet", weights, {{"std", "1,x,1"}}), {"'1,x,1'"});
  expectHas(errorOf("resnet", weights, {{"std", "1,0,1"}}), {"0"});
}

WeightMap lane(std::int64_t flat, std::int64_t values, std::int64_t attributes = 0) {
  SyntheticWeights made;
  const std::int64_t channels = made.resnet({.prefix = "model.", .stem = 16});
  made.dense("pool", channels, 8);
  made.dense("cls.0", flat, 64);
  made.dense("cls.2", 64, values);
  if (attributes) {
    made.dense("attr.0", flat, 64);
    made.dense("attr.2", 64, attributes);
  }
  made.norm("aux_header2.0.1", 16);
  return made.take();
}

TEST(Lane, KnowsTheGridsOfTheDataSets) {
  WeightMap tusimple = lane(1800, 22624);
  Network network = define("lane", tusimple);
  EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, 288, 800}));
  EXPECT_EQ(outputDims(network, "key_points"), (Dims{1, 101, 56, 4}));
  EXPECT_EQ(network.metadata().at("lane.cells"), "100");
  EXPECT_TRUE(network.metadata().at("lane.row_anchors").starts_with("64,68,72"));
  for (const std::string& key : strayKeys(tusimple)) EXPECT_TRUE(key.starts_with("aux_")) << key;

  network = define("lane", lane(1800, 14472));
  EXPECT_EQ(outputDims(network, "key_points"), (Dims{1, 201, 18, 4}));
  EXPECT_TRUE(network.metadata().at("lane.row_anchors").starts_with("121,131"));

  network = define("lane", lane(1800, 25728, 32));
  EXPECT_EQ(outputDims(network, "key_points"), (Dims{1, 201, 32, 4}));
  EXPECT_EQ(outputDims(network, "attributes"), (Dims{1, 2, 16}));
}

TEST(Lane, ContradictionsShowBothNumbers) {
  expectHas(errorOf("lane", lane(1800, 22624), {{"rows", "18"}}), {"7272", "22624"});
  expectHas(errorOf("lane", lane(1800, 22624), {{"imgsz", "320x800"}}), {"2000", "1800"});
  expectHas(errorOf("lane", lane(1800, 25728, 32), {{"attributes", "3x16"}}), {"48", "32"});
  expectHas(errorOf("lane", lane(1800, 22624), {{"row_anchors", "1,2"}}), {"2 numbers", "56"});
  Network other = define("lane", lane(8 * 4 * 5, 11 * 6 * 2),
                         {{"imgsz", "128x160"}, {"cells", "10"}, {"rows", "6"}, {"lanes", "2"}});
  EXPECT_EQ(outputDims(other, "key_points"), (Dims{1, 11, 6, 2}));
}

WeightMap lenet(std::int64_t flat) {
  SyntheticWeights made;
  made.dense("conv1", 25, 6);
  made.dense("conv2", 6 * 25, 16);
  made.dense("fc1", flat, 120);
  made.dense("fc2", 120, 84);
  made.dense("fc3", 84, 10);
  return made.take();
}

TEST(LeNet, ReadsItsInputOffTheCounts) {
  Network network = define("lenet", lenet(400), {{"pool", "average"}});
  EXPECT_EQ(inputDims(network, "images"), (Dims{1, 1, 32, 32}));
  EXPECT_EQ(outputDims(network, "scores"), (Dims{1, 10}));
  EXPECT_EQ(inputDims(define("lenet", lenet(256)), "images"), (Dims{1, 1, 28, 28}));
  expectHas(errorOf("lenet", lenet(400), {{"imgsz", "28"}}), {"28x28", "32x32"});
  expectHas(errorOf("lenet", lenet(400), {{"pool", "min"}}), {"'min'", "max", "average"});
}

TEST(SqueezeNet, ReadsItsVersionOffTheStem) {
  for (std::int64_t kernel : {7, 3}) {
    SyntheticWeights made;
    made.dense("features.0", 3 * kernel * kernel, 16);
    // 1.0 pools before the first, fourth and eighth fire module: here before the first and third.
    std::int64_t channels = 16;
    for (int i : {3, 4, 6}) {
      const std::string key = "features." + std::to_string(i);
      made.dense(key + ".squeeze", channels, 4);
      made.dense(key + ".expand1x1", 4, 8);
      made.dense(key + ".expand3x3", 4 * 9, 8);
      channels = 16;
    }
    made.dense("classifier.1", channels, 6);
    WeightMap weights = made.take();
    Network network = define("squeezenet", weights, {{"imgsz", "65"}});
    EXPECT_EQ(network.metadata().at("variant"), kernel == 7 ? "squeezenet1_0" : "squeezenet1_1");
    EXPECT_EQ(outputDims(network, "scores"), (Dims{1, 6}));
    EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
  }
}

TEST(Vgg, FindsConvolutionsNormsAndPoolings) {
  for (bool norm : {false, true}) {
    SyntheticWeights made;
    std::int64_t channels = 3, index = 0;
    for (int stage = 0; stage < 5; ++stage) {
      for (int conv = 0; conv <= stage % 2; ++conv) {
        made.dense("features." + std::to_string(index), channels * 9, 4);
        if (norm) made.norm("features." + std::to_string(index + 1), 4);
        index += norm ? 3 : 2;
        channels = 4;
      }
      ++index;
    }
    made.dense("classifier.0", 4 * 49, 8);
    made.dense("classifier.3", 8, 8);
    made.dense("classifier.6", 8, 3);
    WeightMap weights = made.take();
    for (const char* size : {"224", "448"})
      EXPECT_EQ(outputDims(define("vgg", weights, {{"imgsz", size}}), "scores"), (Dims{1, 3}));
    EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
    expectHas(errorOf("vgg", weights, {{"imgsz", "256"}}), {"256x256", "8x8", "7x7"});
  }
}

/// Each tensor in turn missing, empty, and one value longer: an Error, unless no layer uses it.
void expectErrorsForDamage(const std::string& family, const WeightMap& whole,
                           const Options& options = {}) {
  ASSERT_EQ(errorOf(family, whole, options), "no error");
  enum class Damage { kMissing, kEmpty, kLonger };
  for (const std::string& victim : whole.keys()) {
    if (victim.ends_with("num_batches_tracked") || victim.starts_with("aux_")) continue;
    for (Damage damage : {Damage::kMissing, Damage::kEmpty, Damage::kLonger}) {
      WeightMap damaged;
      for (const std::string& key : whole.keys()) {
        auto count = static_cast<std::size_t>(whole.count(key));
        if (key == victim) {
          if (damage == Damage::kMissing) continue;
          count = damage == Damage::kEmpty ? 0 : count + 1;
        }
        damaged.add(key, std::vector<float>(count));
      }
      const std::string error = errorOf(family, damaged, options);
      EXPECT_TRUE(error.starts_with("["))
          << victim << " " << static_cast<int>(damage) << ": " << error;
    }
  }
}

TEST(Networks, DamagedTensorsAreErrors) {
  expectErrorsForDamage("yolov5", yolov5({0.1, 0.0625, 2}), {{"imgsz", "64"}});
  expectErrorsForDamage("yolov5", yolov5({0.1, 0.0625, 2}, true), {{"imgsz", "64"}});
  expectErrorsForDamage("yolov5", yolov5({0.1, 0.0625, 2, 3, Task::kSegment}), {{"imgsz", "64"}});
  expectErrorsForDamage("yolov5", yolov5({0.1, 0.0625, 2, 3, Task::kClassify}), {{"imgsz", "64"}});
  for (bool bottleneck : {false, true}) {
    SyntheticWeights made;
    made.dense("fc", made.resnet({.blocks = {1, 1}, .stem = 8, .bottleneck = bottleneck}), 3);
    expectErrorsForDamage("resnet", made.take());
  }
  expectErrorsForDamage("lenet", lenet(400));
  expectErrorsForDamage("lane", lane(8 * 4 * 5, 11 * 6 * 2),
                        {{"imgsz", "128x160"}, {"cells", "10"}, {"rows", "6"}, {"lanes", "2"}});
}

TEST(Networks, EveryOptionHasADescription) {
  const NetworkRegistry& registry = NetworkRegistry::instance();
  for (const std::string& name : registry.names()) {
    EXPECT_FALSE(registry.at(name).description.empty()) << name;
    for (const NetworkOption& option : registry.at(name).options)
      EXPECT_FALSE(option.description.empty()) << name << " " << option.name;
  }
}

// ---- Real weights
// -----------------------------------------------------------------------------------

class RealWeights : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << kFolder << " is missing";
  }
  static WeightMap load(const std::string& name) { return WeightMap::load(kFolder + name); }
  static inline const std::string kFolder = LAYERWISE_SOURCE_DIR "/../shared/data/weights/";
};

TEST_F(RealWeights, Yolov5n) {
  WeightMap weights = load("yolov5n.wts.gz");
  Network network = define("yolov5", weights);
  EXPECT_EQ(network.metadata().at("variant"), "n");
  EXPECT_EQ(network.metadata().at("classes"), "80");
  EXPECT_EQ(inputDims(network, "images"), (Dims{1, 3, 640, 640}));
  EXPECT_EQ(outputDims(network, "detections"), (Dims{1, 1000, 6}));
  EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
}

TEST_F(RealWeights, Yolov8n) {
  WeightMap weights = load("yolov8n.wts.gz");
  Network network = define("yolov8", weights, {{"raw", "true"}});
  EXPECT_EQ(network.metadata().at("classes"), "80");
  EXPECT_EQ(outputDims(network, "detections"), (Dims{1, 1000, 6}));
  EXPECT_EQ(outputDims(network, "raw"), (Dims{1, 84, 8400}));
  EXPECT_EQ(strayKeys(weights), std::vector<std::string>{});
}

TEST_F(RealWeights, Classifiers) {
  for (const auto& [family, file, classes] : {std::tuple("mobilenetv2", "mobilenetv2.wts.gz", 1000),
                                              std::tuple("resnet", "resnet20_cifar10.wts.gz", 10),
                                              std::tuple("lenet", "lenet5.wts.gz", 10)}) {
    WeightMap weights = load(file);
    Network network = define(family, weights);
    EXPECT_EQ(outputDims(network, "scores"), (Dims{1, classes})) << family;
    EXPECT_EQ(strayKeys(weights), std::vector<std::string>{}) << family;
  }
}

TEST_F(RealWeights, OtherNetworksAreRefusedByName) {
  for (const auto& [file, name] :
       {std::pair("yolov8n.wts.gz", "YOLOv8"), std::pair("yolo11n.wts.gz", "YOLO11"),
        std::pair("lprnet.wts.gz", "LPRNet"), std::pair("retinaface_mnet.wts.gz", "RetinaFace"),
        std::pair("mobilenetv2.wts.gz", "MobileNetV2")})
    expectHas(errorOf("yolov5", load(file)), {"[yolov5]", name});
}

}  // namespace
}  // namespace layerwise
