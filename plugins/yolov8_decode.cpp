#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"
#include "layerwise/vector_math.h"
#include "plugins/distance_head.h"

namespace layerwise {
namespace {

/// "yolov8_decode": YOLOv8's decoded head, N x (4 + classes) x cells: centre x, y, width, height in
/// input pixels, class scores; cells by level, y, x. Inputs: the head's maps (DistanceHead). A task
/// is one row of cells.
class Yolov8Decode final : public Plugin {
 public:
  explicit Yolov8Decode(const Fields& fields) : head_(DistanceHead::from(fields)) {}

  std::string_view type() const override { return "yolov8_decode"; }
  Fields fields() const override {
    Fields fields;
    head_.writeTo(fields);
    return fields;
  }

  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    if (inputs.size() != head_.maps())
      throw Error(ErrorCode::kInvalidShape, fmt::format("[yolov8_decode] {} inputs, {} maps needed",
                                                        inputs.size(), head_.maps()));
    return {{DataType::kFloat32, {inputs[0].dims[0], 4 + head_.classes, head_.cells(inputs)}}};
  }
  TensorFormat inputFormat(int) const override { return TensorFormat::kStrided; }

  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    std::int64_t lines = 0;
    for (std::size_t i = 0; i < head_.maps(); i += 2) lines += inputs[i].dims[2];
    return inputs[0].dims[0] * lines;
  }
  std::size_t scratchBytes(std::span<const TensorInfo> inputs) const override {
    std::int64_t width = 0;
    for (std::size_t i = 0; i < head_.maps(); i += 2) width = std::max(width, inputs[i].dims[3]);
    return static_cast<std::size_t>(width * head_.classes) * sizeof(float);
  }
  void run(std::int64_t task, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte> scratch) const override {
    const std::int64_t images = outputs[0].dims[0], image = task % images;
    const std::int64_t cells = outputs[0].dims[2];
    std::int64_t y = task / images;  // of the rows of all levels
    float* out = outputs[0].as<float>() + image * outputs[0].dims[1] * cells;
    std::size_t level = 0;
    for (; y >= inputs[2 * level].dims[2]; ++level) {
      y -= inputs[2 * level].dims[2];
      out += inputs[2 * level].dims[2] * inputs[2 * level].dims[3];
    }
    const TensorView &distances = inputs[2 * level], &classes = inputs[2 * level + 1];
    const Dims &d = distances.strides, &s = classes.strides;
    const std::int64_t width = classes.dims[3];
    out += y * width;
    const float* firstDistance = distances.as<float>() + image * d[0] + y * d[2];
    constexpr std::int64_t kCells = DistanceHead::kCells;
    for (std::int64_t x = 0; x < width; x += kCells) {
      const std::int64_t count = std::min(kCells, width - x);
      float boxes[4][kCells];
      head_.decodeBoxes(head_.strides[level], y, x, count, firstDistance + x * d[3], d[1], d[3],
                        boxes);
      for (std::int64_t i = 0; i < 4; ++i) std::copy_n(boxes[i], count, out + i * cells + x);
    }
    // The scores by cell, then by class.
    const float* logits = classes.as<float>() + image * s[0] + y * s[2];
    auto* scores = reinterpret_cast<float*>(scratch.data());
    if (s[1] == 1) {
      applySigmoid(logits, s[3], scores, head_.classes, width, head_.classes);
    } else {
      for (std::int64_t c = 0; c < head_.classes; ++c)
        for (std::int64_t x = 0; x < width; ++x)
          scores[x * head_.classes + c] = logits[c * s[1] + x * s[3]];
      applySigmoid({scores, static_cast<std::size_t>(width * head_.classes)});
    }
    transpose(scores, head_.classes, out + 4 * cells, cells, width, head_.classes);
  }

 private:
  DistanceHead head_;
};

}  // namespace

void registerPlugin_yolov8_decode(PluginRegistry& registry) {
  registry.add("yolov8_decode", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov8Decode>(fields);
  });
}

}  // namespace layerwise
