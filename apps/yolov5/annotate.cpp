#include "apps/yolov5/annotate.h"

#include <fmt/format.h>

#include "apps/common/class_names.h"
#include "layerwise/draw.h"

namespace layerwise::apps {

void annotate(Image& image, const Findings& findings, const std::vector<ObjectMask>& masks,
              const std::vector<std::string>& names) {
  const auto& detections = findings.detections;
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const Color color = classColor(detections[i].classId);
    drawMask(image.view(), masks[i].mask, color);
    drawPolyline(image.view(), masks[i].outline, color, true);
  }
  // The best last, so that nothing covers its label.
  for (std::size_t i = detections.size(); i-- > 0;) {
    const Detection& detection = detections[i];
    drawBox(image.view(), detection.box, classColor(detection.classId),
            fmt::format("{} {:.2f}", className(names, detection.classId), detection.score));
  }
}

}  // namespace layerwise::apps
