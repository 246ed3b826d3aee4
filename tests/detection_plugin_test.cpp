#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "layerwise/error.h"
#include "layerwise/nms.h"
#include "layerwise/plugin.h"

namespace layerwise {
namespace {

constexpr std::int64_t kClasses = 5, kMasks = 3, kAnchors = 2, kBatch = 2, kCapacity = 40;
constexpr std::int64_t kRow = 5 + kClasses + kMasks;

Fields headFields() {
  Fields fields;
  fields.set("classes", kClasses);
  fields.set("masks", kMasks);
  fields.set("strides", std::vector<std::int64_t>{8, 16});
  fields.set("anchors", std::vector<double>{10, 13, 16, 30, 30, 61, 62, 45});
  return fields;
}

Dims rowMajor(const Dims& dims) {
  Dims strides = Dims::filled(dims.rank(), 1);
  for (int i = dims.rank() - 2; i >= 0; --i) strides[i] = strides[i + 1] * dims[i + 1];
  return strides;
}

/// A tensor with its memory.
struct Buffer {
  Buffer(DataType type, const Dims& dims)
      : memory(static_cast<std::size_t>(dims.volume()) * sizeOf(type)),
        view{type, dims, rowMajor(dims), memory.data()} {}
  std::vector<std::byte> memory;
  TensorView view;
  float* floats() { return view.as<float>(); }
};

struct Maps {
  Maps() {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1.5f);
    for (const Dims& dims :
         {Dims{kBatch, kAnchors * kRow, 2, 37}, Dims{kBatch, kAnchors * kRow, 3, 4}}) {
      buffers.emplace_back(DataType::kFloat32, dims);
      for (std::int64_t i = 0; i < dims.volume(); ++i) buffers.back().floats()[i] = normal(random);
    }
  }
  std::vector<Buffer> buffers;

  float at(std::size_t level, std::int64_t n, std::int64_t c, std::int64_t y,
           std::int64_t x) const {
    const TensorView& v = buffers[level].view;
    return v.as<float>()[((n * v.dims[1] + c) * v.dims[2] + y) * v.dims[3] + x];
  }
};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

/// The formula of the head in double precision.
std::vector<float> decodeImage(const Maps& maps, std::int64_t image) {
  const double anchors[2][2][2] = {{{10, 13}, {16, 30}}, {{30, 61}, {62, 45}}};
  std::vector<float> rows;
  for (std::size_t level = 0; level < 2; ++level) {
    const Dims& dims = maps.buffers[level].view.dims;
    const double stride = level ? 16 : 8;
    for (std::int64_t a = 0; a < kAnchors; ++a)
      for (std::int64_t y = 0; y < dims[2]; ++y)
        for (std::int64_t x = 0; x < dims[3]; ++x)
          for (std::int64_t c = 0; c < kRow; ++c) {
            const double v = maps.at(level, image, a * kRow + c, y, x), s = sigmoid(v);
            const double value = c == 0   ? (2 * s - 0.5 + static_cast<double>(x)) * stride
                                 : c == 1 ? (2 * s - 0.5 + static_cast<double>(y)) * stride
                                 : c < 4  ? 4 * s * s * anchors[level][a][c - 2]
                                 : c < 5 + kClasses ? s
                                                    : v;
            rows.push_back(static_cast<float>(value));
          }
  }
  return rows;
}

std::vector<TensorInfo> infos(const std::vector<TensorView>& views) {
  std::vector<TensorInfo> result;
  for (const TensorView& view : views) result.push_back({view.type, view.dims});
  return result;
}

std::vector<Buffer> runPlugin(const Plugin& plugin, const std::vector<TensorView>& inputs) {
  std::vector<Buffer> outputs;
  std::vector<TensorView> views;
  for (const TensorInfo& info : plugin.outputs(infos(inputs)))
    outputs.emplace_back(info.type, info.dims);
  for (const Buffer& output : outputs) views.push_back(output.view);
  std::vector<std::byte> scratch(plugin.scratchBytes(infos(inputs)));
  for (std::int64_t task = plugin.tasks(infos(inputs)); task-- > 0;)
    plugin.run(task, inputs, views, scratch);
  return outputs;
}

/// The same maps channels last, with a gap behind each pixel.
std::vector<Buffer> channelsLast(const std::vector<Buffer>& maps) {
  std::vector<Buffer> moved;
  for (const Buffer& map : maps) {
    const TensorView& v = map.view;
    const std::int64_t pixel = v.dims[1] + 5;
    const Dims strides{v.dims[2] * v.dims[3] * pixel, 1, v.dims[3] * pixel, pixel};
    Buffer& to = moved.emplace_back(v.type, Dims{v.dims[0] * strides[0]});
    std::fill_n(to.floats(), v.dims[0] * strides[0], 99.0f);
    std::int64_t i = 0;
    for (std::int64_t n = 0; n < v.dims[0]; ++n)
      for (std::int64_t c = 0; c < v.dims[1]; ++c)
        for (std::int64_t y = 0; y < v.dims[2]; ++y)
          for (std::int64_t x = 0; x < v.dims[3]; ++x)
            to.floats()[n * strides[0] + c + y * strides[2] + x * strides[3]] = v.as<float>()[i++];
    to.view.dims = v.dims;
    to.view.strides = strides;
  }
  return moved;
}

std::vector<TensorView> viewsOf(const std::vector<Buffer>& buffers) {
  std::vector<TensorView> views;
  for (const Buffer& buffer : buffers) views.push_back(buffer.view);
  return views;
}

TEST(Yolov5Decode, IsTheFormula) {
  Maps maps;
  auto plugin = createPlugin("yolov5_decode", 1, headFields());
  std::vector<Buffer> out = runPlugin(*plugin, {maps.buffers[0].view, maps.buffers[1].view});
  ASSERT_EQ(out[0].view.dims, (Dims{kBatch, kAnchors * (2 * 37 + 12), kRow}));
  for (std::int64_t n = 0; n < kBatch; ++n) {
    const std::vector<float> expected = decodeImage(maps, n);
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(out[0].floats()[static_cast<std::size_t>(n) * expected.size() + i], expected[i],
                  1e-4)
          << n << " " << i;
  }
}

TEST(Yolov5Decode, ReadsStridedMaps) {
  Maps maps;
  auto plugin = createPlugin("yolov5_decode", 1, headFields());
  EXPECT_EQ(runPlugin(*plugin, viewsOf(channelsLast(maps.buffers)))[0].memory,
            runPlugin(*plugin, viewsOf(maps.buffers))[0].memory);
}

class Yolov5Detect : public testing::Test {
 protected:
  Yolov5Detect() {
    Fields fields = headFields();
    fields.set("capacity", kCapacity);
    plugin_ = createPlugin("yolov5_detect", 1, fields);
    std::fill_n(filter_.floats(), kClasses, 1.0f);
    setOptions(0.25f, 0.45f, kCapacity, 0, 0);
  }
  void setOptions(float confidence, float iou, float most, float agnostic, float multiLabel) {
    std::copy_n(std::array{confidence, iou, most, agnostic, multiLabel}.begin(), 5,
                options_.floats());
  }
  std::vector<Buffer> run() {
    return runPlugin(*plugin_,
                     {maps_.buffers[0].view, maps_.buffers[1].view, options_.view, filter_.view});
  }
  /// The plugin's result is that of nonMaxSuppression over all rows.
  void expectSuppressed(const NmsOptions& options) {
    auto decode = createPlugin("yolov5_decode", 1, headFields());
    std::vector<Buffer> rows = runPlugin(*decode, {maps_.buffers[0].view, maps_.buffers[1].view});
    std::vector<Buffer> out = run();
    const std::int64_t rowCount = rows[0].view.dims[1], values = 6 + kMasks;
    for (std::int64_t n = 0; n < kBatch; ++n) {
      const float* image = rows[0].floats() + n * rowCount * kRow;
      auto expected = nonMaxSuppression(image, rowCount, kClasses, kMasks, options);
      ASSERT_EQ(out[0].view.as<std::int32_t>()[n], static_cast<int>(expected.size()));
      const float* box = out[1].floats() + n * kCapacity * values;
      for (const Detection& d : expected) {
        const float head[6] = {d.box.x1, d.box.y1, d.box.x2,
                               d.box.y2, d.score,  static_cast<float>(d.classId)};
        for (int i = 0; i < 6; ++i) ASSERT_EQ(box[i], head[i]);
        for (int i = 0; i < kMasks; ++i)
          ASSERT_EQ(box[6 + i], image[d.row * kRow + 5 + kClasses + i]);
        box += values;
      }
      for (; box < out[1].floats() + (n + 1) * kCapacity * values; ++box) ASSERT_EQ(*box, 0.0f);
    }
  }

  Maps maps_;
  Buffer options_{DataType::kFloat32, {5}};
  Buffer filter_{DataType::kFloat32, {kClasses}};
  std::shared_ptr<const Plugin> plugin_;
};

TEST_F(Yolov5Detect, IsDecodeAndSuppression) {
  expectSuppressed({.maxDetections = kCapacity});
  setOptions(0.6f, 0.6f, 3, 1, 1);
  expectSuppressed(
      {.confidence = 0.6f, .iou = 0.6, .maxDetections = 3, .agnostic = true, .multiLabel = true});
  setOptions(0, 0.3f, kCapacity, 0, 1);
  expectSuppressed({.confidence = 0, .iou = 0.3, .maxDetections = kCapacity, .multiLabel = true});
  setOptions(1, 0.3f, kCapacity, 0, 1);
  expectSuppressed({.confidence = 1, .maxDetections = kCapacity});
}

TEST_F(Yolov5Detect, FiltersClasses) {
  for (int c : {0, 2, 3}) filter_.floats()[c] = 0;
  expectSuppressed({.maxDetections = kCapacity, .classes = {1, 4}});
  std::fill_n(filter_.floats(), kClasses, 0.0f);
  EXPECT_EQ(run()[0].view.as<std::int32_t>()[0], 0);
}

TEST_F(Yolov5Detect, ReadsStridedMaps) {
  std::vector<Buffer> dense = run();
  maps_.buffers = channelsLast(maps_.buffers);
  std::vector<Buffer> strided = run();
  EXPECT_EQ(strided[0].memory, dense[0].memory);
  EXPECT_EQ(strided[1].memory, dense[1].memory);
}

TEST_F(Yolov5Detect, OptionsThatCannotBeMeantAreErrors) {
  const std::array<std::array<float, 5>, 6> cases = {{{-1, 0.5f, 10, 0, 0},
                                                      {0.5f, 2, 10, 0, 0},
                                                      {0.5f, 0.5f, 41, 0, 0},
                                                      {0.5f, 0.5f, 0, 0, 0},
                                                      {0.5f, 0.5f, 10, 2, 0},
                                                      {NAN, 0.5f, 10, 0, 0}}};
  for (const auto& values : cases) {
    setOptions(values[0], values[1], values[2], values[3], values[4]);
    EXPECT_THROW(run(), Error) << values[0];
  }
}

TEST_F(Yolov5Detect, ComesBackFromItsFields) {
  auto copy = createPlugin(plugin_->type(), plugin_->version(), plugin_->fields());
  EXPECT_EQ(copy->fields(), plugin_->fields());
}

TEST_F(Yolov5Detect, RefusesOtherShapes) {
  auto refused = [&](std::vector<TensorInfo> inputs) {
    EXPECT_THROW(plugin_->outputs(inputs), Error);
  };
  std::vector<TensorInfo> good =
      infos({maps_.buffers[0].view, maps_.buffers[1].view, options_.view, filter_.view});
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<TensorInfo> bad = good;
    bad[i].dims[bad[i].dims.rank() == 1 ? 0 : 1] += 1;
    refused(bad);
    bad = good;
    bad[i].type = DataType::kFloat16;
    refused(bad);
  }
  good.pop_back();
  refused(good);
  refused({});
}

// ---- YOLOv8
// -----------------------------------------------------------------------------------------

class Yolov8 : public testing::Test {
 protected:
  static constexpr std::int64_t kBins = 4;
  static constexpr std::int64_t kFirstCells = 6 * 19, kCells = kFirstCells + 3 * 4;

  Yolov8() {
    fields_.set("classes", kClasses);
    fields_.set("bins", kBins);
    fields_.set("strides", std::vector<std::int64_t>{8, 16});
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0, 1.5f);
    for (const Dims& dims : {Dims{kBatch, 4 * kBins, 6, 19}, Dims{kBatch, kClasses, 6, 19},
                             Dims{kBatch, 4 * kBins, 3, 4}, Dims{kBatch, kClasses, 3, 4}}) {
      maps_.emplace_back(DataType::kFloat32, dims);
      for (std::int64_t i = 0; i < dims.volume(); ++i) maps_.back().floats()[i] = normal(random);
    }
  }
  /// The formula of the head in double precision: 4 + classes values of one cell.
  std::vector<double> cell(std::int64_t image, std::size_t level, std::int64_t y,
                           std::int64_t x) const {
    auto at = [&](std::size_t map, std::int64_t c) {
      const TensorView& v = maps_[map].view;
      return double{v.as<float>()[((image * v.dims[1] + c) * v.dims[2] + y) * v.dims[3] + x]};
    };
    double sides[4];
    for (std::int64_t side = 0; side < 4; ++side) {
      double sum = 0, weighted = 0;
      for (std::int64_t bin = 0; bin < kBins; ++bin) {
        const double e = std::exp(at(2 * level, side * kBins + bin));
        sum += e, weighted += e * static_cast<double>(bin);
      }
      sides[side] = weighted / sum;
    }
    const double stride = level ? 16 : 8;
    const double cx = static_cast<double>(x) + 0.5, cy = static_cast<double>(y) + 0.5;
    std::vector<double> values{(cx + (sides[2] - sides[0]) / 2) * stride,
                               (cy + (sides[3] - sides[1]) / 2) * stride,
                               (sides[0] + sides[2]) * stride, (sides[1] + sides[3]) * stride};
    for (std::int64_t c = 0; c < kClasses; ++c) values.push_back(sigmoid(at(2 * level + 1, c)));
    return values;
  }

  Fields fields_;
  std::vector<Buffer> maps_;
};

TEST_F(Yolov8, DecodeIsTheFormula) {
  std::vector<Buffer> out = runPlugin(*createPlugin("yolov8_decode", 1, fields_), viewsOf(maps_));
  ASSERT_EQ(out[0].view.dims, (Dims{kBatch, 4 + kClasses, kCells}));
  for (std::int64_t n = 0; n < kBatch; ++n)
    for (std::size_t level = 0; level < 2; ++level) {
      const Dims& dims = maps_[2 * level].view.dims;
      for (std::int64_t y = 0; y < dims[2]; ++y)
        for (std::int64_t x = 0; x < dims[3]; ++x) {
          const std::vector<double> expected = cell(n, level, y, x);
          const std::int64_t place = (level ? kFirstCells : 0) + y * dims[3] + x;
          for (std::int64_t c = 0; c < 4 + kClasses; ++c)
            ASSERT_NEAR(out[0].floats()[(n * (4 + kClasses) + c) * kCells + place],
                        expected[static_cast<std::size_t>(c)], 1e-4);
        }
    }
}

TEST_F(Yolov8, DecodeReadsStridedMaps) {
  auto plugin = createPlugin("yolov8_decode", 1, fields_);
  EXPECT_EQ(runPlugin(*plugin, viewsOf(channelsLast(maps_)))[0].memory,
            runPlugin(*plugin, viewsOf(maps_))[0].memory);
}

TEST_F(Yolov8, DetectIsDecodeAndSuppressionWithoutObjectness) {
  std::vector<Buffer> decoded =
      runPlugin(*createPlugin("yolov8_decode", 1, fields_), viewsOf(maps_));
  fields_.set("capacity", kCapacity);
  Buffer options(DataType::kFloat32, {5}), filter(DataType::kFloat32, {kClasses});
  std::copy_n(std::array{0.7f, 0.5f, 20.0f, 0.0f, 1.0f}.begin(), 5, options.floats());
  std::fill_n(filter.floats(), kClasses, 1.0f);
  std::vector<TensorView> inputs = viewsOf(maps_);
  inputs.insert(inputs.end(), {options.view, filter.view});
  std::vector<Buffer> out = runPlugin(*createPlugin("yolov8_detect", 1, fields_), inputs);
  for (std::int64_t n = 0; n < kBatch; ++n) {
    std::vector<float> rows;
    for (std::int64_t i = 0; i < kCells; ++i)
      for (std::int64_t c = -1; c < 4 + kClasses; ++c) {
        // The objectness stands behind the box.
        const std::int64_t channel = c < 3 ? c + 1 : c;
        rows.push_back(c == 3 ? 1.0f
                              : decoded[0].floats()[(n * (4 + kClasses) + channel) * kCells + i]);
      }
    auto expected = nonMaxSuppression(
        rows.data(), kCells, kClasses, 0,
        {.confidence = 0.7f, .iou = 0.5, .maxDetections = 20, .multiLabel = true});
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(out[0].view.as<std::int32_t>()[n], static_cast<int>(expected.size()));
    const float* box = out[1].floats() + n * kCapacity * 6;
    for (const Detection& d : expected) {
      const float values[6] = {d.box.x1, d.box.y1, d.box.x2,
                               d.box.y2, d.score,  static_cast<float>(d.classId)};
      for (float value : values) ASSERT_EQ(*box++, value);
    }
  }
}

TEST_F(Yolov8, HostileNumbersAreErrors) {
  auto refused = [&](const char* name, Field::Value value) {
    Fields fields = fields_;
    fields.set(name, std::move(value));
    EXPECT_THROW(createPlugin("yolov8_decode", 1, fields), Error) << name;
  };
  refused("classes", std::int64_t{0});
  refused("bins", std::int64_t{1} << 40);
  refused("strides", std::vector<std::int64_t>{});
  refused("strides", std::vector<std::int64_t>{-8});
  Fields none;
  EXPECT_THROW(createPlugin("yolov8_decode", 1, none), Error);
}

TEST(AnchorHeadFields, HostileNumbersAreErrors) {
  auto refused = [](const char* name, Field::Value value) {
    Fields fields = headFields();
    fields.set("capacity", kCapacity);
    fields.set(name, std::move(value));
    EXPECT_THROW(createPlugin("yolov5_detect", 1, fields), Error) << name;
  };
  refused("classes", std::int64_t{0});
  refused("classes", std::int64_t{1} << 60);
  refused("masks", std::int64_t{-1});
  refused("strides", std::vector<std::int64_t>{});
  refused("strides", std::vector<std::int64_t>{8, 0});
  refused("anchors", std::vector<double>{1, 2, 3});
  refused("capacity", std::int64_t{0});
  refused("capacity", std::int64_t{1} << 40);
}

}  // namespace
}  // namespace layerwise
