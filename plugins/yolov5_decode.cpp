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
    std::int64_t perImage = 0;
    for (std::size_t i = 0; i < head_.levels.size(); ++i)
      perImage += head_.levels[i].anchorCount() * inputs[i].dims[2];
    return inputs[0].dims[0] * perImage;
  }
  void run(std::int64_t task, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const std::int64_t images = outputs[0].dims[0], image = task % images;
    std::int64_t line = task / images;  // of all levels' and anchors' rows of cells
    float* row = outputs[0].as<float>() + image * outputs[0].dims[1] * head_.rowSize();
    for (std::size_t i = 0; i < head_.levels.size(); ++i) {
      const AnchorHead::Level& level = head_.levels[i];
      const TensorView& map = inputs[i];
      const std::int64_t height = map.dims[2], width = map.dims[3];
      if (line >= level.anchorCount() * height) {
        line -= level.anchorCount() * height;
        row += head_.rows(level, map.dims) * head_.rowSize();
        continue;
      }
      const Dims& s = map.strides;
      const std::int64_t anchor = line / height, y = line % height;
      const float* first =
          map.as<float>() + image * s[0] + anchor * head_.rowSize() * s[1] + y * s[2];
      head_.decode(level, anchor, y, 0, width, first, s[1], s[3],
                   row + line * width * head_.rowSize());
      return;
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
