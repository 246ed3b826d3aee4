// Detections on an OpenCL device: to the bit what nonMaxSuppression makes of the rows that the
// device decodes, few candidates or more than it takes.
#include <gtest/gtest.h>

#ifdef LAYERWISE_HAS_OPENCL

#include <array>
#include <random>

#include "backends/opencl/discovery.h"
#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "layerwise/nms.h"

namespace layerwise {
namespace {

constexpr std::int64_t kClasses = 40, kMasks = 2, kAnchors = 2, kBatch = 2, kCapacity = 200;
constexpr std::int64_t kRow = 5 + kClasses + kMasks, kValues = 6 + kMasks;

const Dims kNear{kBatch, kAnchors*kRow, 24, 20}, kFar{kBatch, kAnchors*kRow, 9, 11};

class OpenClDetection : public testing::Test {
 protected:
  static std::shared_ptr<const Engine> build(int level) {
    Fields fields;
    fields.set("classes", kClasses);
    fields.set("masks", kMasks);
    fields.set("strides", std::vector<std::int64_t>{8, 16});
    fields.set("anchors", std::vector<double>{10, 13, 16, 30, 30, 61, 62, 45});
    Network network;
    std::vector<Tensor*> inputs{&network.addInput("near", DataType::kFloat32, kNear),
                                &network.addInput("far", DataType::kFloat32, kFar)};
    network.markOutput(network.addPlugin(inputs, createPlugin("yolov5_decode", 1, fields)).output(),
                       "rows");
    inputs.push_back(&network.addInput("options", DataType::kFloat32, {5}));
    inputs.push_back(&network.addInput("class_filter", DataType::kFloat32, {kClasses}));
    fields.set("capacity", kCapacity);
    auto& detect = network.addPlugin(inputs, createPlugin("yolov5_detect", 1, fields));
    network.markOutput(detect.output(0), "count");
    network.markOutput(detect.output(1), "detections");
    BuilderConfig config;
    config.device = "opencl";
    config.optimizationLevel = level;
    return buildEngine(network, config);
  }

  void SetUp() override {
    if (opencl::devices().empty()) GTEST_SKIP() << "there is no OpenCL device here";
    engine_ = build(0);
    const std::string inspected = engine_->inspect(false);
    EXPECT_NE(inspected.find("\ncl_yolov5_detect"), std::string::npos) << inspected;
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 2);
    for (auto [map, dims] : {std::pair{&near_, kNear}, std::pair{&far_, kFar}}) {
      map->resize(static_cast<std::size_t>(dims.volume()));
      for (float& value : *map) value = normal(random);
    }
  }

  void run(std::array<float, 5> options, const std::vector<float>& filter) {
    auto context = engine_->createContext();
    context->setInput("near", near_.data(), kNear);
    context->setInput("far", far_.data(), kFar);
    context->setInput("options", options.data(), {5});
    context->setInput("class_filter", filter.data(), {kClasses});
    context->setOutput("rows", rows_.data());
    context->setOutput("count", count_.data());
    context->setOutput("detections", detections_.data());
    context->run();
  }

  void expectSuppressed(const NmsOptions& options) {
    std::vector<float> filter(kClasses, options.classes.empty() ? 1.0f : 0.0f);
    for (int c : options.classes) filter[static_cast<std::size_t>(c)] = 1;
    run({options.confidence, static_cast<float>(options.iou),
         static_cast<float>(options.maxDetections), options.agnostic ? 1.0f : 0.0f,
         options.multiLabel ? 1.0f : 0.0f},
        filter);
    for (std::int64_t image = 0; image < kBatch; ++image) {
      const float* rows = rows_.data() + image * kRowCount * kRow;
      const std::vector<Detection> want =
          nonMaxSuppression(rows, kRowCount, kClasses, kMasks, options);
      EXPECT_FALSE(want.empty());
      ASSERT_EQ(count_[static_cast<std::size_t>(image)], static_cast<std::int32_t>(want.size()));
      const float* got = detections_.data() + image * kCapacity * kValues;
      for (std::int64_t i = 0; i < kCapacity; ++i, got += kValues) {
        std::array<float, kValues> expected{};
        if (i < static_cast<std::int64_t>(want.size())) {
          const Detection& d = want[static_cast<std::size_t>(i)];
          const float* masks = rows + d.row * kRow + 5 + kClasses;
          expected = {d.box.x1, d.box.y1, d.box.x2,
                      d.box.y2, d.score,  static_cast<float>(d.classId),
                      masks[0], masks[1]};
        }
        for (std::size_t v = 0; v < kValues; ++v)
          ASSERT_EQ(got[v], expected[v])
              << "image " << image << " detection " << i << " value " << v;
      }
    }
  }

  static constexpr std::int64_t kRowCount = kAnchors * (24 * 20 + 9 * 11);
  std::shared_ptr<const Engine> engine_;
  std::vector<float> near_, far_, rows_ = std::vector<float>(kBatch * kRowCount * kRow);
  std::vector<std::int32_t> count_ = std::vector<std::int32_t>(kBatch);
  std::vector<float> detections_ = std::vector<float>(kBatch * kCapacity * kValues);
};

TEST_F(OpenClDetection, SuppressesAsTheProcessorDoes) {
  expectSuppressed({.confidence = 0.6f, .iou = 0.45, .maxDetections = 100});
  expectSuppressed({.confidence = 0.25f, .iou = 0.6, .maxDetections = kCapacity, .agnostic = true});
  expectSuppressed({.confidence = 0.7f, .iou = 0.1, .maxDetections = 7, .multiLabel = true});
  expectSuppressed({.confidence = 0.5f, .maxDetections = kCapacity, .classes = {3, 39}});
}

TEST_F(OpenClDetection, TakesTheBestOfTooManyCandidates) {
  const NmsOptions options{
      .confidence = 0.0f, .iou = 0.3, .maxDetections = kCapacity, .multiLabel = true};
  static_assert(kRowCount * kClasses > 30000);
  expectSuppressed(options);
}

TEST_F(OpenClDetection, RefusesOptionsThatCannotBeMeant) {
  const std::vector<float> all(kClasses, 1.0f);
  for (auto [options, why] :
       {std::pair{std::array<float, 5>{0.5f, 0.5f, kCapacity + 1, 0, 0}, "built for 1 to 200"},
        std::pair{std::array<float, 5>{0.5f, 0.5f, 10, 2, 0}, "value 3"},
        std::pair{std::array<float, 5>{0.5f, 0.5f, 10, 0, 0.5f}, "value 4"},
        std::pair{std::array<float, 5>{-1, 0.5f, 10, 0, 0}, "confidence"},
        std::pair{std::array<float, 5>{0.5f, 1.5f, 10, 0, 0}, "iou"}}) {
    try {
      run(options, all);
      ADD_FAILURE() << why << ": nothing was thrown";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  }
  run({0.5f, 0.5f, 10, 0, 0}, all);
  EXPECT_EQ(count_[0], 10);
}

// Options that no one meant are what memory holds while tactics are timed.
TEST_F(OpenClDetection, IsNotTimedOnArbitraryOptions) {
  EXPECT_NE(build(5)->inspect(false).find("\ncl_yolov5_detect"), std::string::npos);
}

}  // namespace
}  // namespace layerwise

#else

TEST(OpenClDetection, IsNotBuilt) {
  GTEST_SKIP() << "the library was built without OpenCL";
}

#endif
