#include "plugins/anchor_head.h"
#include "plugins/detection_plugin.h"
#include "plugins/logit.h"

namespace layerwise {
namespace {

/// "yolov5_detect": YOLOv5's decode (AnchorHead) and non-maximum suppression.
class Yolov5Detect final : public DetectionPlugin {
 public:
  explicit Yolov5Detect(const Fields& fields)
      : Yolov5Detect(AnchorHead::from(fields), fields.integer("capacity")) {}

  std::string_view type() const override { return "yolov5_detect"; }

 private:
  Yolov5Detect(const AnchorHead& head, std::int64_t capacity)
      : DetectionPlugin(head.levels.size(), DetectionOutput(head.classes, head.masks, capacity)),
        head_(head) {}

  void writeHead(Fields& fields) const override { head_.writeTo(fields); }
  void checkMaps(std::span<const TensorInfo> maps) const override { head_.rows(maps); }
  void appendCandidates(std::span<const TensorView> maps, std::int64_t image, float confidence,
                        std::vector<float>& rows) const override {
    for (std::size_t i = 0; i < maps.size(); ++i)
      appendLevel(head_.levels[i], maps[i], image, confidence, rows);
  }

  /// Most cells end at one comparison of the objectness's logit.
  void appendLevel(const AnchorHead::Level& level, const TensorView& map, std::int64_t image,
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
};

}  // namespace

void registerPlugin_yolov5_detect(PluginRegistry& registry) {
  registry.add("yolov5_detect", 1, [](const Fields& fields, std::span<const Weights>) {
    return std::make_shared<const Yolov5Detect>(fields);
  });
}

}  // namespace layerwise
