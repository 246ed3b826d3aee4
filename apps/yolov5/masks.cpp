#include "apps/yolov5/masks.h"

namespace layerwise::apps {

std::vector<ObjectMask> makeMasks(const Findings& findings) {
  std::vector<ObjectMask> masks;
  if (findings.maskCount == 0) return masks;
  const Letterbox& letterbox = findings.letterbox;
  const MaskPrototypes prototypes{findings.prototypes.data(), findings.maskCount,
                                  findings.protoHeight, findings.protoWidth};
  for (std::size_t i = 0; i < findings.detections.size(); ++i) {
    const float* coefficients =
        findings.coefficients.data() + i * static_cast<std::size_t>(findings.maskCount);
    const Mask mask = assembleMask(prototypes, coefficients, findings.networkBoxes[i],
                                   letterbox.width, letterbox.height);
    std::vector<Point> outline = outlineOf(mask);
    for (Point& point : outline) point = pointToImage(letterbox, point);
    masks.push_back({maskToImage(letterbox, mask), std::move(outline)});
  }
  return masks;
}

}  // namespace layerwise::apps
