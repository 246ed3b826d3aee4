#include <fmt/format.h>

#include "layerwise/error.h"
#include "plugins/anchor_head.h"

namespace layerwise {
namespace {

/// "yolov5_decode": YOLOv5's decoded head, N x rows x (5 + classes + masks): centre x, y, width,
/// height in input pixels, objectness, class scores, mask coefficients; rows by level, anchor, y,
/// x. Inputs: the head's maps (AnchorHead). A task is one level of one image.
class Yolov5Decode final : public Plugin {
 public:
  explicit Yolov5Decode(const Fields& fields) : head_(AnchorHead::from(fields)) {}

  std::string_view type() const override { return "yolov5_decode"; }
  Fields fields() const override {
    Fields fields;
    head_.writeTo(fields);
    return fields;
  }

  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    if (inputs.size() != head_.levels.size())
      throw Error(ErrorCode::kInvalidShape, fmt::format("[yolov5_decode] {} inputs, {} maps needed",
                                                        inputs.size(), head_.levels.size()));
    return {{DataType::kFloat32, {inputs[0].dims[0], head_.rows(inputs), head_.rowSize()}}};
  }
  TensorFormat inputFormat(int) const override { return TensorFormat::kStrided; }

  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    return inputs[0].dims[0] * static_cast<std::int64_t>(head_.levels.size());
  }
  void run(std::int64_t task, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const auto levels = static_cast<std::int64_t>(head_.levels.size());
    const std::int64_t image = task / levels, index = task % levels;
    const std::int64_t rowSize = head_.rowSize();
    float* row = outputs[0].as<float>() + image * outputs[0].dims[1] * rowSize;
    for (std::int64_t i = 0; i < index; ++i) {
      const auto level = static_cast<std::size_t>(i);
      row += head_.rows(head_.levels[level], inputs[level].dims) * rowSize;
    }
    const AnchorHead::Level& level = head_.levels[static_cast<std::size_t>(index)];
    const TensorView& map = inputs[static_cast<std::size_t>(index)];
    const Dims& s = map.strides;
    for (std::int64_t a = 0; a < level.anchorCount(); ++a) {
      const float* first = map.as<float>() + image * s[0] + a * rowSize * s[1];
      for (std::int64_t y = 0; y < map.dims[2]; ++y)
        for (std::int64_t x = 0; x < map.dims[3]; ++x, row += rowSize)
          head_.decode(level, a, y, x, first + y * s[2] + x * s[3], s[1], row);
    }
  }

 private:
  AnchorHead head_;
};

}  // namespace

void registerPlugin_yolov5_decode(PluginRegistry& registry) {
  registry.add("yolov5_decode", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov5Decode>(fields);
  });
}

}  // namespace layerwise
