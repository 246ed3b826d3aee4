#include "backends/opencl/detection_tactic.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/tactic_registry.h"

namespace layerwise {
namespace opencl {
namespace {

/// The kernel's struct of the same name.
struct DetectLevel {
  cl_int total, anchors, height, width, classes, masks;
  cl_int firstImage, firstRow, rows;
  cl_int inChannel, inRow, inPixel;
  cl_float stride;
  cl_int unused;
  cl_long inImage;
};

/// The plugin "yolov5_detect" (plugins/yolov5_detect.cpp): candidates by a launch a level.
class Yolov5Detect final : public DetectionTactic {
 public:
  explicit Yolov5Detect(const Device& device) : DetectionTactic(device, "yolov5_detect") {}

 private:
  /// Two values each.
  static std::size_t anchorValuesOfLevel(const Fields& fields) {
    return fields.reals("anchors").size() / fields.integers("strides").size();
  }

  std::int64_t rowCount(const Fields& fields, std::span<const Dims> maps) const override {
    std::int64_t cells = 0;
    for (const Dims& map : maps) cells += map[2] * map[3];
    return cells * static_cast<std::int64_t>(anchorValuesOfLevel(fields) / 2);
  }

  void addCandidateLaunches(const Fields& fields, std::span<const BufferView> maps,
                            const Lists& lists, std::vector<Launch>& launches) const override {
    const std::size_t perLevel = anchorValuesOfLevel(fields);
    const auto anchors = static_cast<std::int64_t>(perLevel / 2);
    std::int64_t firstRow = 0;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const BufferView& map = maps[i];
      const std::int64_t rowsOfLevel = anchors * map.dims[2] * map.dims[3];
      if (rowsOfLevel == 0) continue;
      DetectLevel l{};
      l.total = toInt(lists.images * rowsOfLevel), l.anchors = toInt(anchors);
      l.height = toInt(map.dims[2]), l.width = toInt(map.dims[3]);
      l.classes = toInt(fields.integer("classes")), l.masks = toInt(fields.integer("masks"));
      l.firstImage = toInt(lists.firstImage), l.firstRow = toInt(firstRow);
      l.rows = toInt(lists.rows);
      l.inImage = map.strides[0], l.inChannel = toInt(map.strides[1]);
      l.inRow = toInt(map.strides[2]), l.inPixel = toInt(map.strides[3]);
      l.stride = static_cast<float>(fields.integers("strides")[i]);
      firstRow += rowsOfLevel;
      const auto first =
          fields.reals("anchors").begin() + static_cast<std::ptrdiff_t>(i * perLevel);
      const std::vector<float> sizes(first, first + static_cast<std::ptrdiff_t>(perLevel));
      ProgramSource source{.file = "yolov5_detect.cl"};
      defineTypes(source, {map.type});
      launches.push_back(launchOver(l.total, device_.program(source), "yolov5_candidates",
                                    {Argument::view(map), lists.options, lists.wanted,
                                     Argument::memory(device_.upload(sizes, "anchors")), lists.keys,
                                     lists.boxes, lists.masks, lists.counts, Argument::value(l)}));
    }
  }
};

}  // namespace
}  // namespace opencl

void registerTactic_yolov5_detect(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::Yolov5Detect>(registry.device()));
}

}  // namespace layerwise
