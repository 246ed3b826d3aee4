#include <fmt/format.h>

#include "layerwise/error.h"
#include "plugins/distance_head.h"
#include "plugins/sigmoid.h"

namespace layerwise {
namespace {

/// "yolov8_decode": YOLOv8's decoded head, N x (4 + classes) x cells: centre x, y, width, height in
/// input pixels, class scores; cells by level, y, x. Inputs: the head's maps (DistanceHead). A task
/// is one level of one image.
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
    return inputs[0].dims[0] * static_cast<std::int64_t>(head_.strides.size());
  }
  void run(std::int64_t task, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const auto levels = static_cast<std::int64_t>(head_.strides.size());
    const std::int64_t image = task / levels;
    const auto level = static_cast<std::size_t>(task % levels);
    const std::int64_t cells = outputs[0].dims[2];
    float* out = outputs[0].as<float>() + image * outputs[0].dims[1] * cells;
    for (std::size_t i = 0; i < level; ++i) out += inputs[2 * i].dims[2] * inputs[2 * i].dims[3];
    const TensorView &distances = inputs[2 * level], &classes = inputs[2 * level + 1];
    const Dims &d = distances.strides, &s = classes.strides;
    for (std::int64_t y = 0; y < classes.dims[2]; ++y)
      for (std::int64_t x = 0; x < classes.dims[3]; ++x, ++out) {
        float box[4];
        head_.decodeBox(head_.strides[level], y, x,
                        distances.as<float>() + image * d[0] + y * d[2] + x * d[3], d[1], box);
        for (std::int64_t i = 0; i < 4; ++i) out[i * cells] = box[i];
        const float* logits = classes.as<float>() + image * s[0] + y * s[2] + x * s[3];
        for (std::int64_t c = 0; c < head_.classes; ++c)
          out[(4 + c) * cells] = sigmoid(logits[c * s[1]]);
      }
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
