#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/node_info.h"
#include "layerwise/network.h"

namespace layerwise {
namespace opencl {
namespace {

/// The kernel's struct of the same name.
struct DecodeLevel {
  cl_int values, height, width, length;
  cl_int maskBegin;
  cl_int firstRow;
  cl_int inChannel, inRow, inPixel;
  cl_int outRow;
  cl_float stride;
  cl_int unused;
  cl_long inImage, outImage;
};

/// The plugin "yolov5_decode" (plugins/yolov5_decode.cpp) on the device: a launch a level.
class Yolov5Decode final : public Tactic {
 public:
  explicit Yolov5Decode(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_yolov5_decode"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const PluginLayer* a = node.as<PluginLayer>();
    if (!a || a->plugin->type() != "yolov5_decode" || a->plugin->version() != 1) return;
    NodeInfo info(context.graph, context.shapes, id);
    for (DataType type : floatTypes(context, id))
      for (const Layout& from : {Layout::channelsLast(type, 4), Layout::linear(type)}) {
        Candidate c;
        c.tactic = this;
        c.nodes = {id};
        c.inputs = node.inputs;
        c.outputs = node.outputs;
        c.inputLayouts.assign(c.inputs.size(), from);
        c.outputLayouts = {Layout::linear(DataType::kFloat32)};  // a box's place needs the bits
        const double values = static_cast<double>(info.outputs[0].dims.volume());
        c.flops = 20 * values;
        c.bytes = values * static_cast<double>(sizeof(float) + sizeOf(type));
        c.seconds =
            CostModel(device_.info()).seconds(c.flops, c.bytes, 0.1) * (from.isLinear() ? 1.1 : 1);
        candidates.push_back(std::move(c));
      }
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const BufferView& out = c.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    const Fields fields = c.graph.node(c.candidate.nodes[0]).as<PluginLayer>()->plugin->fields();
    const std::vector<std::int64_t>& strides = fields.integers("strides");
    const std::vector<double>& anchors = fields.reals("anchors");
    const std::size_t perLevel = anchors.size() / strides.size();
    std::vector<Launch> launches;
    std::int64_t firstRow = 0;
    for (std::size_t i = 0; i < strides.size(); ++i) {
      const BufferView& map = c.inputs[i];
      DecodeLevel l{};
      l.values = toInt(map.dims[1]);
      l.height = toInt(map.dims[2]), l.width = toInt(map.dims[3]);
      l.length = toInt(out.dims[2]);
      l.maskBegin = toInt(5 + fields.integer("classes"));
      l.firstRow = toInt(firstRow);
      l.outImage = out.strides[0], l.outRow = toInt(out.strides[1]);
      l.inImage = map.strides[0], l.inChannel = toInt(map.strides[1]);
      l.inRow = toInt(map.strides[2]), l.inPixel = toInt(map.strides[3]);
      l.stride = static_cast<float>(strides[i]);
      firstRow += static_cast<std::int64_t>(perLevel / 2) * map.dims[2] * map.dims[3];
      auto first = anchors.begin() + static_cast<std::ptrdiff_t>(i * perLevel);
      std::vector<float> sizes(first, first + static_cast<std::ptrdiff_t>(perLevel));
      ProgramSource source{.file = "yolov5_decode.cl"};
      defineTypes(source, {out.type, map.type});
      constexpr int kCells = 8;
      source.define("CELLS", kCells);
      launches.push_back(
          launchOver(l.values, (map.dims[2] * map.dims[3] + kCells - 1) / kCells, map.dims[0],
                     device_.program(source), "decode",
                     {Argument::view(out), Argument::view(map),
                      Argument::memory(device_.upload(sizes, "anchors")), Argument::value(l)}));
    }
    return std::make_unique<ClStep>(std::move(launches));
  }

 private:
  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_yolov5_decode(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::Yolov5Decode>(registry.device()));
}

}  // namespace layerwise
