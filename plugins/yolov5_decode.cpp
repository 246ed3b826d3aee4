#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"
#include "plugins/anchor_head.h"

namespace layerwise {
namespace {

/// "yolov5_decode": YOLOv5's decoded head, N x rows x (5 + classes + masks): centre x, y, width,
/// height in input pixels, objectness, class scores, mask coefficients; rows by level, anchor, y,
/// x. Inputs: the head's maps (AnchorHead). A task is one row of cells of one image.
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
    std::int64_t lines = 0;
    for (const TensorInfo& map : inputs) lines += map.dims[2];
    return inputs[0].dims[0] * lines;
  }
  void run(std::int64_t task, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const std::int64_t images = outputs[0].dims[0], image = task % images;
    std::int64_t y = task / images;  // of the rows of all levels
    float* rows = outputs[0].as<float>() + image * outputs[0].dims[1] * head_.rowSize();
    std::size_t i = 0;
    for (; y >= inputs[i].dims[2]; ++i) {
      y -= inputs[i].dims[2];
      rows += head_.rows(head_.levels[i], inputs[i].dims) * head_.rowSize();
    }
    const AnchorHead::Level& level = head_.levels[i];
    const std::int64_t height = inputs[i].dims[2], width = inputs[i].dims[3];
    const Dims& s = inputs[i].strides;
    const float* first = inputs[i].as<float>() + image * s[0] + y * s[2];
    // A few cells at a time, so that the map is read once, from its beginning to its end.
    for (std::int64_t x = 0; x < width; x += kCells) {
      prefetch(first + (x + kCells) * s[3], kCells * s[3]);
      for (std::int64_t anchor = 0; anchor < level.anchorCount(); ++anchor)
        head_.decode(level, anchor, y, x, std::min(kCells, width - x),
                     first + anchor * head_.rowSize() * s[1] + x * s[3], s[1], s[3],
                     rows + ((anchor * height + y) * width + x) * head_.rowSize());
    }
  }

 private:
  static constexpr std::int64_t kCells = 32;
  static void prefetch(const float* from, std::int64_t count) {
    constexpr std::int64_t kLine = 64 / sizeof(float);
    for (std::int64_t i = 0; i < count; i += kLine) __builtin_prefetch(from + i);
  }

  AnchorHead head_;
};

}  // namespace

void registerPlugin_yolov5_decode(PluginRegistry& registry) {
  registry.add("yolov5_decode", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov5Decode>(fields);
  });
}

}  // namespace layerwise
