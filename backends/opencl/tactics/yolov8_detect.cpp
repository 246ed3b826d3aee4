#include "backends/opencl/detection_tactic.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/tactic_registry.h"

namespace layerwise {
namespace opencl {
namespace {

/// The kernel's struct of the same name.
struct DetectLevel {
  cl_int total, height, width, classes, bins;
  cl_int firstImage, firstRow, rows;
  cl_int classChannel, classRow, classPixel;
  cl_int boxChannel, boxRow, boxPixel;
  cl_float stride;
  cl_int unused;
  cl_long classImage, boxImage;
};

/// The plugin "yolov8_detect" (plugins/yolov8_detect.cpp): candidates by a launch a level, of which
/// each has a map of distances and one of classes.
class Yolov8Detect final : public DetectionTactic {
 public:
  explicit Yolov8Detect(const Device& device) : DetectionTactic(device, "yolov8_detect") {}

 private:
  std::int64_t rowCount(const Fields&, std::span<const Dims> maps) const override {
    std::int64_t cells = 0;
    for (std::size_t i = 1; i < maps.size(); i += 2) cells += maps[i][2] * maps[i][3];
    return cells;
  }

  void addCandidateLaunches(const Fields& fields, std::span<const BufferView> maps,
                            const Lists& lists, std::vector<Launch>& launches) const override {
    std::int64_t firstRow = 0;
    for (std::size_t i = 0; i < maps.size(); i += 2) {
      const BufferView &distances = maps[i], &classes = maps[i + 1];
      const std::int64_t cells = classes.dims[2] * classes.dims[3];
      if (cells == 0) continue;
      DetectLevel l{};
      l.total = toInt(lists.images * cells);
      l.height = toInt(classes.dims[2]), l.width = toInt(classes.dims[3]);
      l.classes = toInt(fields.integer("classes")), l.bins = toInt(fields.integer("bins"));
      l.firstImage = toInt(lists.firstImage), l.firstRow = toInt(firstRow);
      l.rows = toInt(lists.rows);
      l.classImage = classes.strides[0], l.classChannel = toInt(classes.strides[1]);
      l.classRow = toInt(classes.strides[2]), l.classPixel = toInt(classes.strides[3]);
      l.boxImage = distances.strides[0], l.boxChannel = toInt(distances.strides[1]);
      l.boxRow = toInt(distances.strides[2]), l.boxPixel = toInt(distances.strides[3]);
      l.stride = static_cast<float>(fields.integers("strides")[i / 2]);
      firstRow += cells;
      ProgramSource source{.file = "yolov8_detect.cl"};
      defineTypes(source, {classes.type, distances.type});
      launches.push_back(
          launchOver(l.total, device_.program(source), "yolov8_candidates",
                     {Argument::view(classes), Argument::view(distances), lists.options,
                      lists.wanted, lists.keys, lists.boxes, lists.counts, Argument::value(l)}));
    }
  }
};

}  // namespace
}  // namespace opencl

void registerTactic_yolov8_detect(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::Yolov8Detect>(registry.device()));
}

}  // namespace layerwise
