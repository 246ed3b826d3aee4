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
    // Counted first: rows that are moved as their number grows cost more than a second look.
    const float threshold = logitBelow(confidence);
    std::int64_t count = 0;
    for (std::size_t i = 0; i < maps.size(); ++i)
      forEachRun(head_.levels[i], maps[i], image, threshold,
                 [&](const Cells& cells) { count += cells.count; });
    rows.resize(static_cast<std::size_t>(count * head_.rowSize()));
    float* to = rows.data();
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const Dims& s = maps[i].strides;
      forEachRun(head_.levels[i], maps[i], image, threshold, [&](const Cells& c) {
        head_.decode(head_.levels[i], c.anchor, c.y, c.x, c.count, c.first, s[1], s[3], to);
        to += c.count * head_.rowSize();
      });
    }
  }

  /// Cells side by side, for one anchor.
  struct Cells {
    std::int64_t anchor, y, x, count;
    const float* first;
  };

  /// Calls take for the cells whose objectness may reach the threshold, a logit.
  template <class Take>
  void forEachRun(const AnchorHead::Level& level, const TensorView& map, std::int64_t image,
                  float threshold, const Take& take) const {
    const Dims& s = map.strides;
    for (std::int64_t a = 0; a < level.anchorCount(); ++a) {
      const float* first = map.as<float>() + image * s[0] + a * head_.rowSize() * s[1];
      for (std::int64_t y = 0; y < map.dims[2]; ++y) {
        const float* row = first + y * s[2];
        const auto passes = [&](std::int64_t x) {
          return x < map.dims[3] && row[4 * s[1] + x * s[3]] > threshold;
        };
        for (std::int64_t x = 0; x < map.dims[3]; ++x) {
          std::int64_t count = 0;
          while (passes(x + count)) ++count;
          if (count == 0) continue;
          take({a, y, x, count, row + x * s[3]});
          x += count;
        }
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
