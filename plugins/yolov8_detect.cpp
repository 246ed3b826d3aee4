#include <fmt/format.h>

#include "layerwise/error.h"
#include "layerwise/vector_math.h"
#include "plugins/detection_output.h"
#include "plugins/distance_head.h"
#include "plugins/logit.h"

namespace layerwise {
namespace {

/// "yolov8_detect": YOLOv8's decode and non-maximum suppression, which is YOLOv5's with an
/// objectness of 1. Inputs: the head's maps (DistanceHead), options, class filter; outputs: count
/// and detections (DetectionOutput). A task is an image.
class Yolov8Detect final : public Plugin {
 public:
  explicit Yolov8Detect(const Fields& fields)
      : head_(DistanceHead::from(fields)), output_(head_.classes, 0, fields.integer("capacity")) {}

  std::string_view type() const override { return "yolov8_detect"; }
  Fields fields() const override {
    Fields fields;
    head_.writeTo(fields);
    fields.set("capacity", output_.capacity());
    return fields;
  }

  int outputCount() const override { return 2; }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    const std::size_t maps = head_.maps();
    if (inputs.size() != maps + 2)
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[yolov8_detect] {} inputs, {} needed ({} maps, options, class filter)",
                      inputs.size(), maps + 2, maps));
    head_.cells(inputs);
    return output_.outputs(inputs[0].dims[0], inputs[maps], inputs[maps + 1]);
  }
  TensorFormat inputFormat(int index) const override {
    return index < static_cast<int>(head_.maps()) ? TensorFormat::kStrided : TensorFormat::kLinear;
  }

  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    return inputs[0].dims[0];
  }
  void run(std::int64_t image, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs, std::span<std::byte>) const override {
    const std::size_t maps = head_.maps();
    const NmsOptions options = output_.read(inputs[maps], inputs[maps + 1]);
    std::vector<float> rows;
    for (std::size_t level = 0; level < head_.strides.size(); ++level)
      appendCandidates(head_.strides[level], inputs[2 * level], inputs[2 * level + 1], image,
                       options.confidence, rows);
    output_.write(image, rows, options, outputs[0], outputs[1]);
  }

 private:
  /// Decodes the cells of which a class may exceed the threshold; the suppression compares again,
  /// exactly.
  void appendCandidates(std::int64_t stride, const TensorView& distances, const TensorView& classes,
                        std::int64_t image, float confidence, std::vector<float>& rows) const {
    const Dims &d = distances.strides, &s = classes.strides;
    const float threshold = logitBelow(confidence);
    const auto rowSize = static_cast<std::size_t>(5 + head_.classes);
    for (std::int64_t y = 0; y < classes.dims[2]; ++y)
      for (std::int64_t x = 0; x < classes.dims[3]; ++x) {
        const float* logits = classes.as<float>() + image * s[0] + y * s[2] + x * s[3];
        bool candidate = false;
        for (std::int64_t c = 0; c < head_.classes; ++c) candidate |= logits[c * s[1]] > threshold;
        if (!candidate) continue;
        rows.resize(rows.size() + rowSize);
        float* row = rows.data() + rows.size() - rowSize;
        head_.decodeBox(stride, y, x, distances.as<float>() + image * d[0] + y * d[2] + x * d[3],
                        d[1], row);
        row[4] = 1.0f;
        for (std::int64_t c = 0; c < head_.classes; ++c) row[5 + c] = logits[c * s[1]];
        applySigmoid({row + 5, static_cast<std::size_t>(head_.classes)});
      }
  }

  DistanceHead head_;
  DetectionOutput output_;
};

}  // namespace

void registerPlugin_yolov8_detect(PluginRegistry& registry) {
  registry.add("yolov8_detect", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov8Detect>(fields);
  });
}

}  // namespace layerwise
