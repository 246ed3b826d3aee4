#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/window.h"
#include "layerwise/error.h"

namespace layerwise {
namespace opencl {
namespace {

/// The macros of kernels/conv_gemm.cl.
struct Tile {
  int rows, columns, depth, itemRows, itemColumns;

  int group() const { return rows / itemRows * (columns / itemColumns); }
  std::string text() const {
    return fmt::format("tile={}x{}x{} item={}x{}", rows, columns, depth, itemRows, itemColumns);
  }
  static Tile fromText(const std::string& text) {
    Tile t{};
    if (std::sscanf(text.c_str(), "tile=%dx%dx%d item=%dx%d", &t.rows, &t.columns, &t.depth,
                    &t.itemRows, &t.itemColumns) != 5)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[cl_conv_gemm] parameters '{}' are not understood", text));
    return t;
  }
};

constexpr Tile kGpuTiles[] = {{128, 128, 8, 8, 8}, {128, 64, 8, 8, 8}, {64, 64, 16, 4, 4},
                              {64, 64, 8, 8, 8},   {32, 64, 16, 4, 4}, {32, 32, 16, 4, 4}};
constexpr Tile kCpuTiles[] = {{32, 32, 16, 8, 8}};

/// What the kernel takes by value.
struct ConvArgument {
  WindowArgument window;
  ViewStrides from, to, residual;
  cl_int pixels, depth, columns, groupInputs, groupOutputs;
};

struct Tap {
  cl_int offset, z, y, x;
};

// Moves a position out of every input, also one that is moved far below it.
constexpr cl_int kOutside = 1 << 29;

/// Where each step of the depth reads, relative to a window's first element.
std::vector<Tap> tapsOf(const WindowArgument& w, const ViewStrides& from, int inputs, int depth) {
  std::vector<Tap> taps;
  for (cl_int z = 0; z < w.kernel[0]; ++z)
    for (cl_int y = 0; y < w.kernel[1]; ++y)
      for (cl_int x = 0; x < w.kernel[2]; ++x)
        for (cl_int c = 0; c < inputs; ++c) {
          cl_int dz = z * w.dilation[0], dy = y * w.dilation[1], dx = x * w.dilation[2];
          taps.push_back({dz * from.z + dy * from.y + dx * from.x + c * from.c, dz, dy, dx});
        }
  taps.resize(static_cast<std::size_t>(depth), {0, kOutside, 0, 0});
  return taps;
}

class ConvGemmTactic final : public Tactic {
 public:
  explicit ConvGemmTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_conv_gemm"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const Convolution* a = node.as<Convolution>();
    if (!a) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info)) return;
    const Dims &in = info.inputs[0].dims, &out = info.outputs[0].dims;
    Work work{static_cast<double>(out.volume() / std::max<std::int64_t>(1, out[1])),
              static_cast<double>(a->outputs / a->groups),
              static_cast<double>(in[1] / a->groups * a->kernel.volume()),
              static_cast<double>(a->groups)};
    double flops = 2 * work.rows * work.columns * work.depth * work.groups;
    CostModel cost(device_.info());
    for (const Tile& tile : tiles())
      addConvCandidates(*this, context, id, tile.text(), flops, seconds(work, tile, cost), cost,
                        candidates);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    Tile tile = Tile::fromText(candidate.parameters);
    return uploadWeights(device_, node, weightMatrices(a, node, tile.depth, tile.columns),
                         biasOf(node, a.outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const BufferView &in = context.inputs[0], &out = context.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    const auto& packed = *static_cast<const PackedWeights*>(context.packed.get());
    Tile tile = Tile::fromText(context.candidate.parameters);
    Epilogue epilogue(fusedNodes(context.graph, context.candidate.nodes));

    WindowArgument window(Window3(resolveWindow(a, in.dims), in.dims), out);
    std::int64_t inputs = in.dims[1] / a.groups, outputs = a.outputs / a.groups;
    ConvArgument conv{window, ViewStrides(in), ViewStrides(out), {}, 0, 0, 0, 0, 0};
    conv.pixels = toInt(out.dims.volume() / out.dims[1]);
    conv.depth = toInt(roundUp(inputs * a.kernel.volume(), tile.depth));
    conv.columns = toInt(roundUp(outputs, tile.columns));
    conv.groupInputs = toInt(inputs);
    conv.groupOutputs = toInt(outputs);

    ProgramSource source{.file = "conv_gemm.cl"};
    source.define("TILE_ROWS", tile.rows);
    source.define("TILE_COLUMNS", tile.columns);
    source.define("TILE_DEPTH", tile.depth);
    source.define("ITEM_ROWS", tile.itemRows);
    source.define("ITEM_COLUMNS", tile.itemColumns);
    std::vector<DataType> types{out.type, in.type};
    std::vector<Argument> arguments{
        Argument::view(out), Argument::view(in), Argument::memory(packed.weights),
        Argument::memory(packed.bias),
        Argument::memory(device_.upload(tapsOf(window, conv.from, conv.groupInputs, conv.depth),
                                        "the taps of " + node.name))};
    if (epilogue.residual) {
      conv.residual = ViewStrides(context.inputs[1]);
      types.push_back(context.inputs[1].type);
      arguments.push_back(Argument::view(context.inputs[1]));
    }
    defineTypes(source, types);
    epilogue.define(source);
    bool vectors = readsVectors(in, conv);
    source.define("VECTOR", vectors ? 4 : 1);
    bool half = in.type == DataType::kFloat16;
    source.define("LOAD_INPUT(at)",
                  vectors ? (half ? "vload_half4(0, at)" : "vload4(0, at)") : "LOAD1(at, 0)");
    if (!channelsInnermost(in)) source.define("ROWS_FIRST", "1");
    arguments.push_back(Argument::value(conv));
    arguments.push_back(Argument::real(epilogue.activation.alpha));
    arguments.push_back(Argument::real(epilogue.activation.beta));
    auto group = static_cast<std::size_t>(tile.group());
    auto rowTiles = static_cast<std::size_t>(roundUp(conv.pixels, tile.rows) / tile.rows);
    auto columnTiles = static_cast<std::size_t>(conv.columns / tile.columns);
    return std::make_unique<ClStep>(
        std::vector<Launch>{{device_.program(source),
                             "conv_gemm",
                             std::move(arguments),
                             {rowTiles * group, columnTiles, static_cast<std::size_t>(a.groups)},
                             {group, 1, 1}}});
  }

 private:
  struct Work {
    double rows, columns, depth, groups;
  };

  std::span<const Tile> tiles() const {
    if (device_.info().isCpu) return kCpuTiles;
    return kGpuTiles;
  }

  /// Four neighbouring channels of a position lie together, on a boundary of four.
  static bool readsVectors(const BufferView& in, const ConvArgument& conv) {
    const ViewStrides& s = conv.from;
    return s.c == 1 && conv.groupInputs % 4 == 0 && s.n % 4 == 0 && s.z % 4 == 0 && s.y % 4 == 0 &&
           s.x % 4 == 0 && in.byteOffset % (4 * sizeOf(in.type)) == 0;
  }

  /// Waves of groups over the compute units, each group at a share of its unit's rate that grows
  /// with what an item computes from what it loads.
  double seconds(const Work& work, const Tile& tile, const CostModel& cost) const {
    double groups =
        std::ceil(work.rows / tile.rows) * std::ceil(work.columns / tile.columns) * work.groups;
    double depth = std::ceil(work.depth / tile.depth) * tile.depth;
    double flops = 2.0 * tile.rows * tile.columns * depth;
    double perUnit = cost.flopsPerSecond / device_.info().computeUnits;
    double efficiency = tile.itemRows * tile.itemColumns >= 64 ? 0.6 : 0.4;
    // Two groups of the smaller size share a unit before it is busy.
    double resident = std::max(1.0, 256.0 / tile.group());
    double waves = std::ceil(groups / (device_.info().computeUnits * resident));
    return waves * resident * flops / (perUnit * efficiency);
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_gemm(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvGemmTactic>(registry.device()));
}

}  // namespace layerwise
