#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/node_info.h"
#include "layerwise/network.h"
#include "layerwise/nms.h"

namespace layerwise {
namespace opencl {
namespace {

constexpr int kGroup = 128;
constexpr int kLocalKeys = 1024;
// Lists of all images at once would be large where many boxes may have several labels.
constexpr std::int64_t kMostWorkspaceBytes = std::int64_t{256} << 20;

/// The kernels' structs of the same names.
struct DetectLevel {
  cl_int total, anchors, height, width, classes, masks;
  cl_int firstImage, firstRow, rows;
  cl_int inChannel, inRow, inPixel;
  cl_float stride;
  cl_int unused;
  cl_long inImage;
};
struct Suppression {
  cl_int classes, masks, capacity, rows;
  cl_int firstImage, countStride;
  cl_long detectionImage, detectionRow;
};

struct Head {
  explicit Head(const Fields& fields)
      : classes(fields.integer("classes")),
        masks(fields.integer("masks")),
        capacity(fields.integer("capacity")),
        strides(fields.integers("strides")),
        anchors(fields.reals("anchors")) {}
  std::int64_t anchorsOfLevel() const {
    return static_cast<std::int64_t>(anchors.size() / strides.size() / 2);
  }

  std::int64_t classes, masks, capacity;
  std::vector<std::int64_t> strides;
  std::vector<double> anchors;
};

class DetectStep final : public ClStep {
 public:
  DetectStep(std::vector<Launch> launches, std::size_t workspaceBytes, std::int64_t capacity)
      : ClStep(std::move(launches), workspaceBytes), capacity_(capacity) {}
  bool mayFail() const override { return true; }
  std::string failureText(int reason) const override {
    switch (reason) {
      case 1:
        return fmt::format(
            "[detection options] the most detections: the engine was built for 1 to {}", capacity_);
      case 2:
        return "[detection options] value 3: 0 or 1 needed";
      case 3:
        return "[detection options] value 4: 0 or 1 needed";
      case 4:
        return "[nms] the confidence is not in 0...1";
      default:
        return "[nms] the iou is not in 0...1";
    }
  }

 private:
  std::int64_t capacity_;
};

/// The plugin "yolov5_detect" (plugins/yolov5_detect.cpp) on the device: a launch a level, and one
/// each for the order and the suppression.
class Yolov5Detect final : public Tactic {
 public:
  explicit Yolov5Detect(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_yolov5_detect"; }
  bool takesAnyValues() const override { return false; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const PluginLayer* a = node.as<PluginLayer>();
    if (!a || a->plugin->type() != "yolov5_detect" || a->plugin->version() != 1) return;
    NodeInfo info(context.graph, context.shapes, id);
    const Head head(a->plugin->fields());
    if (rowsOf(head, info) * head.classes >= std::int64_t{1} << 31) return;
    std::vector<DataType> types{DataType::kFloat32};
    if (mayUseHalf(context, id)) types.push_back(DataType::kFloat16);
    for (DataType type : types)
      for (const Layout& from : {Layout::channelsLast(type, 4), Layout::linear(type)}) {
        Candidate c;
        c.tactic = this;
        c.nodes = {id};
        c.inputs = node.inputs;
        c.outputs = node.outputs;
        c.inputLayouts.assign(c.inputs.size(), Layout::linear(DataType::kFloat32));
        std::fill_n(c.inputLayouts.begin(), head.strides.size(), from);
        c.outputLayouts = {Layout::linear(DataType::kInt32), Layout::linear(DataType::kFloat32)};
        // The objectness of each row, and some suppression: the launches take the time.
        const auto rows = static_cast<double>(rowsOf(head, info) * info.inputs[0].dims[0]);
        const CostModel cost(device_.info());
        c.flops = 20 * rows;
        c.bytes = 32 * rows;
        c.seconds = static_cast<double>(head.strides.size() + 1) * cost.launchSeconds +
                    cost.seconds(c.flops, c.bytes, 0.1);
        candidates.push_back(std::move(c));
      }
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const BufferView &count = c.outputs[0], &detections = c.outputs[1];
    const std::int64_t images = count.dims[0];
    if (images == 0) return std::make_unique<ClStep>();
    const Head head(c.graph.node(c.candidate.nodes[0]).as<PluginLayer>()->plugin->fields());
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < head.strides.size(); ++i)
      rows += head.anchorsOfLevel() * c.inputs[i].dims[2] * c.inputs[i].dims[3];

    const int mostCandidates = NmsOptions{}.maxCandidates;
    const std::int64_t sortedKeys = std::bit_ceil(static_cast<unsigned>(mostCandidates));
    const std::int64_t bytesOfImage = rows * head.classes * 8 + sortedKeys * 8 +
                                      rows * (16 + 4 * head.masks) + head.capacity * 20;
    const std::int64_t together =
        std::min(images, std::max<std::int64_t>(1, kMostWorkspaceBytes / bytesOfImage));
    std::size_t workspace = 0;
    auto place = [&](std::int64_t bytes, std::size_t size) {
      Argument argument = Argument::workspace(workspace, size);
      workspace += (static_cast<std::size_t>(together * bytes) + 255) / 256 * 256;
      return argument;
    };
    const Argument keys = place(rows * head.classes * 8, 8), sorted = place(sortedKeys * 8, 8),
                   boxes = place(rows * 16, 4), masks = place(rows * head.masks * 4, 4),
                   keptBoxes = place(head.capacity * 16, 4),
                   keptClasses = place(head.capacity * 4, 4);
    const Argument options = Argument::view(c.inputs[head.strides.size()]),
                   wanted = Argument::view(c.inputs[head.strides.size() + 1]);

    ProgramSource sort{.file = "detection_sort.cl"}, suppress{.file = "detection_suppress.cl"};
    for (ProgramSource* source : {&sort, &suppress}) {
      source->define("GROUP", kGroup);
      source->define("SORTED_KEYS", sortedKeys);
      source->define("MAX_CANDIDATES", mostCandidates);
    }
    sort.define("LOCAL_KEYS", kLocalKeys);
    suppress.define("CLASS_OFFSET", fmt::format("{:.1f}f", NmsOptions::kClassOffset));
    suppress.options = exactDivision(device_);
    std::vector<cl::Buffer> sizes;
    for (std::size_t i = 0; i < head.strides.size(); ++i) {
      const auto perLevel = static_cast<std::ptrdiff_t>(2 * head.anchorsOfLevel());
      const auto first = head.anchors.begin() + static_cast<std::ptrdiff_t>(i) * perLevel;
      sizes.push_back(device_.upload(std::vector<float>(first, first + perLevel), "anchors"));
    }

    std::vector<Launch> launches;
    for (std::int64_t first = 0; first < images; first += together) {
      const std::int64_t now = std::min(together, images - first);
      const Argument counts = Argument::counters(now);
      std::int64_t firstRow = 0;
      for (std::size_t i = 0; i < head.strides.size(); ++i) {
        const BufferView& map = c.inputs[i];
        const std::int64_t rowsOfLevel = head.anchorsOfLevel() * map.dims[2] * map.dims[3];
        if (rowsOfLevel == 0) continue;
        DetectLevel l{};
        l.total = toInt(now * rowsOfLevel);
        l.anchors = toInt(head.anchorsOfLevel());
        l.height = toInt(map.dims[2]), l.width = toInt(map.dims[3]);
        l.classes = toInt(head.classes), l.masks = toInt(head.masks);
        l.firstImage = toInt(first), l.firstRow = toInt(firstRow), l.rows = toInt(rows);
        l.inImage = map.strides[0], l.inChannel = toInt(map.strides[1]);
        l.inRow = toInt(map.strides[2]), l.inPixel = toInt(map.strides[3]);
        l.stride = static_cast<float>(head.strides[i]);
        firstRow += rowsOfLevel;
        ProgramSource source{.file = "yolov5_detect.cl"};
        defineTypes(source, {map.type});
        launches.push_back(
            launchOver(l.total, device_.program(source), "yolov5_candidates",
                       {Argument::view(map), options, wanted, Argument::memory(sizes[i]), keys,
                        boxes, masks, counts, Argument::value(l)}));
      }
      Suppression s{};
      s.classes = toInt(head.classes), s.masks = toInt(head.masks);
      s.capacity = toInt(head.capacity), s.rows = toInt(rows), s.firstImage = toInt(first);
      s.countStride = toInt(count.strides[0]);
      s.detectionImage = detections.strides[0], s.detectionRow = detections.strides[1];
      const std::array<std::size_t, 3> global{static_cast<std::size_t>(now) * kGroup, 1, 1},
          local{kGroup, 1, 1};
      launches.push_back({device_.program(sort),
                          "sort_candidates",
                          {keys, sorted, counts, Argument::integer(rows * head.classes)},
                          global,
                          local});
      launches.push_back(
          {device_.program(suppress),
           "suppress",
           {Argument::view(count), Argument::view(detections), options, sorted, boxes, masks,
            keptBoxes, keptClasses, counts, Argument::failure(), Argument::value(s)},
           global,
           local});
    }
    return std::make_unique<DetectStep>(std::move(launches), workspace, head.capacity);
  }

 private:
  static std::int64_t rowsOf(const Head& head, const NodeInfo& info) {
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < head.strides.size(); ++i)
      rows += head.anchorsOfLevel() * info.inputs[i].dims[2] * info.inputs[i].dims[3];
    return rows;
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_yolov5_detect(opencl::TacticRegistry& registry) {
  // The lists of a group are shared by its items.
  if (registry.device().info().maxGroup >= opencl::kGroup)
    registry.add(std::make_unique<opencl::Yolov5Detect>(registry.device()));
}

}  // namespace layerwise
