#include <fmt/format.h>

#include "layerwise/error.h"
#include "plugins/anchor_head.h"
#include "plugins/detection_output.h"
#include "plugins/logit.h"

namespace layerwise {
namespace {

/// "yolov5_detect": YOLOv5's decode and non-maximum suppression. Inputs: the head's maps
/// (AnchorHead), options, class filter; outputs: count and detections (DetectionOutput). A task is
/// an image.
class Yolov5Detect final : public Plugin {
 public:
  explicit Yolov5Detect(const Fields& fields)
      : head_(AnchorHead::from(fields)),
        output_(head_.classes, head_.masks, fields.integer("capacity")) {}

  std::string_view type() const override { return "yolov5_detect"; }
  Fields fields() const override {
    Fields fields;
    head_.writeTo(fields);
    fields.set("capacity", output_.capacity());
    return fields;
  }

  int outputCount() const override { return 2; }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    const std::size_t maps = head_.levels.size();
    if (inputs.size() != maps + 2)
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[yolov5_detect] {} inputs, {} needed ({} maps, options, class filter)",
                      inputs.size(), maps + 2, maps));
    head_.rows(inputs);
    return output_.outputs(inputs[0].dims[0], inputs[maps], inputs[maps + 1]);
  }
  TensorFormat inputFormat(int index) const override {
    return index < static_cast<int>(head_.levels.size()) ? TensorFormat::kStrided
                                                         : TensorFormat::kLinear;
  }

  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    return inputs[0].dims[0];
  }
  void run(std::int64_t image, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const std::size_t maps = head_.levels.size();
    const NmsOptions options = output_.read(inputs[maps], inputs[maps + 1]);
    std::vector<float> rows;
    for (std::size_t i = 0; i < maps; ++i)
      appendCandidates(head_.levels[i], inputs[i], image, options.confidence, rows);
    output_.write(image, rows, options, outputs[0], outputs[1]);
  }

 private:
  /// Decodes the cells whose objectness may exceed the threshold: most cells end at one comparison
  /// of a logit. The suppression compares again, exactly.
  void appendCandidates(const AnchorHead::Level& level, const TensorView& map, std::int64_t image,
                        float confidence, std::vector<float>& rows) const {
    const Dims& s = map.strides;
    const float threshold = logitBelow(confidence);
    const std::int64_t rowSize = head_.rowSize();
    for (std::int64_t a = 0; a < level.anchorCount(); ++a) {
      const float* first = map.as<float>() + image * s[0] + a * rowSize * s[1];
      for (std::int64_t y = 0; y < map.dims[2]; ++y)
        for (std::int64_t x = 0; x < map.dims[3]; ++x) {
          const float* cell = first + y * s[2] + x * s[3];
          if (!(cell[4 * s[1]] > threshold)) continue;
          rows.resize(rows.size() + static_cast<std::size_t>(rowSize));
          head_.decode(level, a, y, x, 1, cell, s[1], s[3], rows.data() + rows.size() - rowSize);
        }
    }
  }

  AnchorHead head_;
  DetectionOutput output_;
};

}  // namespace

void registerPlugin_yolov5_detect(PluginRegistry& registry) {
  registry.add("yolov5_detect", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov5Detect>(fields);
  });
}

}  // namespace layerwise
