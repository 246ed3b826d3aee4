#include "layerwise/vector_math.h"
#include "plugins/detection_plugin.h"
#include "plugins/distance_head.h"
#include "plugins/logit.h"

namespace layerwise {
namespace {

/// "yolov8_detect": YOLOv8's decode (DistanceHead) and non-maximum suppression, which is YOLOv5's
/// with an objectness of 1.
class Yolov8Detect final : public DetectionPlugin {
 public:
  explicit Yolov8Detect(const Fields& fields)
      : Yolov8Detect(DistanceHead::from(fields), fields.integer("capacity")) {}

  std::string_view type() const override { return "yolov8_detect"; }

 private:
  Yolov8Detect(const DistanceHead& head, std::int64_t capacity)
      : DetectionPlugin(head.maps(), DetectionOutput(head.classes, 0, capacity)), head_(head) {}

  void writeHead(Fields& fields) const override { head_.writeTo(fields); }
  void checkMaps(std::span<const TensorInfo> maps) const override { head_.cells(maps); }
  void appendCandidates(std::span<const TensorView> maps, std::int64_t image, float confidence,
                        std::vector<float>& rows) const override {
    for (std::size_t level = 0; level < head_.strides.size(); ++level)
      appendLevel(head_.strides[level], maps[2 * level], maps[2 * level + 1], image, confidence,
                  rows);
  }

  void appendLevel(std::int64_t stride, const TensorView& distances, const TensorView& classes,
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
        float boxes[4][DistanceHead::kCells];
        head_.decodeBoxes(stride, y, x, 1,
                          distances.as<float>() + image * d[0] + y * d[2] + x * d[3], d[1], d[3],
                          boxes);
        for (int i = 0; i < 4; ++i) row[i] = boxes[i][0];
        row[4] = 1.0f;
        for (std::int64_t c = 0; c < head_.classes; ++c) row[5 + c] = logits[c * s[1]];
        applySigmoid({row + 5, static_cast<std::size_t>(head_.classes)});
      }
  }

  DistanceHead head_;
};

}  // namespace

void registerPlugin_yolov8_detect(PluginRegistry& registry) {
  registry.add("yolov8_detect", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov8Detect>(fields);
  });
}

}  // namespace layerwise
