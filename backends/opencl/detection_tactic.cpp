#include "backends/opencl/detection_tactic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/shared/node_info.h"
#include "layerwise/network.h"
#include "layerwise/nms.h"

namespace layerwise::opencl {
namespace {

constexpr int kGroup = 128;
constexpr int kLocalKeys = 1024;
// Lists of all images at once would be large where many boxes may have several labels.
constexpr std::int64_t kMostWorkspaceBytes = std::int64_t{256} << 20;

/// The struct of the same name in kernels/detection_suppress.cl.
struct Suppression {
  cl_int classes, masks, capacity, rows;
  cl_int firstImage, countStride;
  cl_long detectionImage, detectionRow;
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

std::int64_t masksOf(const Fields& fields) {
  return fields.find("masks") ? fields.integer("masks") : 0;
}

std::vector<Dims> dimsOf(std::span<const BufferView> views) {
  std::vector<Dims> dims;
  for (const BufferView& view : views) dims.push_back(view.dims);
  return dims;
}

}  // namespace

void DetectionTactic::match(const MatchContext& context, NodeId id,
                            std::vector<Candidate>& candidates) const {
  const Node& node = context.graph.node(id);
  const PluginLayer* a = node.as<PluginLayer>();
  if (!a || a->plugin->type() != plugin_ || a->plugin->version() != 1) return;
  // The lists of a group are shared by its items.
  if (device_.info().maxGroup < kGroup) return;
  const Fields fields = a->plugin->fields();
  NodeInfo info(context.graph, context.shapes, id);
  const std::size_t mapCount = info.inputs.size() - 2;
  std::vector<Dims> maps;
  for (std::size_t i = 0; i < mapCount; ++i) maps.push_back(info.inputs[i].dims);
  const std::int64_t rows = rowCount(fields, maps);
  if (rows * fields.integer("classes") >= std::int64_t{1} << 31) return;
  for (DataType type : floatTypes(context, id))
    for (const Layout& from : {Layout::channelsLast(type, 4), Layout::linear(type)}) {
      Candidate c;
      c.tactic = this;
      c.nodes = {id};
      c.inputs = node.inputs;
      c.outputs = node.outputs;
      c.inputLayouts.assign(c.inputs.size(), Layout::linear(DataType::kFloat32));
      std::fill_n(c.inputLayouts.begin(), mapCount, from);
      c.outputLayouts = {Layout::linear(DataType::kInt32), Layout::linear(DataType::kFloat32)};
      // A look at each row, and some suppression: the launches take the time.
      const auto all = static_cast<double>(rows * maps[0][0]);
      const CostModel cost(device_.info());
      c.flops = 20 * all;
      c.bytes = 32 * all;
      c.seconds = static_cast<double>(mapCount + 1) * cost.launchSeconds +
                  cost.seconds(c.flops, c.bytes, 0.1);
      candidates.push_back(std::move(c));
    }
}

std::unique_ptr<Step> DetectionTactic::bind(const BindContext& c) const {
  const BufferView &count = c.outputs[0], &detections = c.outputs[1];
  const std::int64_t images = count.dims[0];
  if (images == 0) return std::make_unique<ClStep>();
  const Fields fields = c.graph.node(c.candidate.nodes[0]).as<PluginLayer>()->plugin->fields();
  const auto maps = c.inputs.first(c.inputs.size() - 2);
  const std::int64_t classes = fields.integer("classes"), masks = masksOf(fields),
                     capacity = fields.integer("capacity"), rows = rowCount(fields, dimsOf(maps));

  const int mostCandidates = NmsOptions{}.maxCandidates;
  const std::int64_t sortedKeys = std::bit_ceil(static_cast<unsigned>(mostCandidates));
  const std::int64_t bytesOfImage =
      rows * classes * 8 + sortedKeys * 8 + rows * (16 + 4 * masks) + capacity * 20;
  const std::int64_t together =
      std::min(images, std::max<std::int64_t>(1, kMostWorkspaceBytes / bytesOfImage));
  std::size_t workspace = 0;
  auto place = [&](std::int64_t bytes, std::size_t size) {
    Argument argument = Argument::workspace(workspace, size);
    workspace += (static_cast<std::size_t>(together * bytes) + 255) / 256 * 256;
    return argument;
  };
  const Argument keys = place(rows * classes * 8, 8), sorted = place(sortedKeys * 8, 8),
                 boxes = place(rows * 16, 4), maskRows = place(rows * masks * 4, 4),
                 keptBoxes = place(capacity * 16, 4), keptClasses = place(capacity * 4, 4);
  const Argument options = Argument::view(c.inputs[maps.size()]),
                 wanted = Argument::view(c.inputs[maps.size() + 1]);

  ProgramSource sort{.file = "detection_sort.cl"}, suppress{.file = "detection_suppress.cl"};
  for (ProgramSource* source : {&sort, &suppress}) {
    source->define("GROUP", kGroup);
    source->define("SORTED_KEYS", sortedKeys);
    source->define("MAX_CANDIDATES", mostCandidates);
  }
  sort.define("LOCAL_KEYS", kLocalKeys);
  suppress.define("CLASS_OFFSET", fmt::format("{:.1f}f", NmsOptions::kClassOffset));
  suppress.options = exactDivision(device_);

  std::vector<Launch> launches;
  for (std::int64_t first = 0; first < images; first += together) {
    const std::int64_t now = std::min(together, images - first);
    const Argument counts = Argument::counters(now);
    addCandidateLaunches(
        fields, maps, {first, now, rows, options, wanted, keys, boxes, maskRows, counts}, launches);
    Suppression s{};
    s.classes = toInt(classes), s.masks = toInt(masks);
    s.capacity = toInt(capacity), s.rows = toInt(rows), s.firstImage = toInt(first);
    s.countStride = toInt(count.strides[0]);
    s.detectionImage = detections.strides[0], s.detectionRow = detections.strides[1];
    const std::array<std::size_t, 3> global{static_cast<std::size_t>(now) * kGroup, 1, 1},
        local{kGroup, 1, 1};
    launches.push_back({device_.program(sort),
                        "sort_candidates",
                        {keys, sorted, counts, Argument::integer(rows * classes)},
                        global,
                        local});
    launches.push_back(
        {device_.program(suppress),
         "suppress",
         {Argument::view(count), Argument::view(detections), options, sorted, boxes, maskRows,
          keptBoxes, keptClasses, counts, Argument::failure(), Argument::value(s)},
         global,
         local});
  }
  return std::make_unique<DetectStep>(std::move(launches), workspace, capacity);
}

}  // namespace layerwise::opencl
