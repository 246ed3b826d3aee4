#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "backends/opencl/activation_function.h"
#include "backends/opencl/cost.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/step.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/fused_region.h"
#include "backends/shared/node_info.h"
#include "backends/shared/resize_taps.h"
#include "layers/spatial.h"
#include "layerwise/error.h"

namespace layerwise {
namespace opencl {
namespace {

int widthOf(DataType type) {
  return type == DataType::kFloat32 ? 4 : 8;
}

/// The struct of the same name in kernels/vector.cl.
struct VectorWindow {
  cl_int vectors = 0;
  cl_int inHeight = 1, inWidth = 1, outHeight = 1, outWidth = 1;
  cl_int kernelHeight = 1, kernelWidth = 1;
  cl_int strideY = 1, strideX = 1, dilationY = 1, dilationX = 1, padY = 0, padX = 0;
  cl_int postPadY = 0, postPadX = 0;
  cl_int inRow = 0, inPixel = 0, outRow = 0, outPixel = 0;
  cl_int inAligned = 0, outAligned = 0;
  cl_float alpha = 0, beta = 0;
  cl_int outChannel = 0;
  cl_long inImage = 0, outImage = 0;

  /// The sizes and places of two channels-last views of rank 3 or 4; the window is the caller's.
  VectorWindow(const BufferView& in, const BufferView& out) {
    vectors = toInt(in.dims[1] / widthOf(in.type));
    outChannel = toInt(out.strides[1]);
    auto place = [](const BufferView& v, cl_int& height, cl_int& width, cl_int& row, cl_int& pixel,
                    cl_long& image) {
      const int last = v.dims.rank() - 1;
      image = v.strides[0];
      width = toInt(v.dims[last]), pixel = toInt(v.strides[last]);
      if (last == 3) height = toInt(v.dims[2]), row = toInt(v.strides[2]);
      const int chunk = widthOf(v.type);
      return v.byteOffset % 16 == 0 && image % chunk == 0 && row % chunk == 0 && pixel % chunk == 0;
    };
    inAligned = place(in, inHeight, inWidth, inRow, inPixel, inImage);
    outAligned = place(out, outHeight, outWidth, outRow, outPixel, outImage);
  }
  void set(const Window3& w) {
    kernelHeight = toInt(w.kernel[1]), kernelWidth = toInt(w.kernel[2]);
    strideY = toInt(w.stride[1]), strideX = toInt(w.stride[2]);
    dilationY = toInt(w.dilation[1]), dilationX = toInt(w.dilation[2]);
    padY = toInt(w.pad[1]), padX = toInt(w.pad[2]);
    postPadY = toInt(w.postPad[1]), postPadX = toInt(w.postPad[2]);
  }
};

/// One work item for every vector of every `columns` pixels.
Launch launchOverPixels(std::shared_ptr<const Program> program, std::string kernel,
                        std::vector<Argument> arguments, const VectorWindow& w, std::int64_t images,
                        int columns) {
  const std::int64_t items = std::int64_t{w.vectors} * ((w.outWidth + columns - 1) / columns);
  return launchOver(items, w.outHeight, images, std::move(program), std::move(kernel),
                    std::move(arguments));
}

/// What the tactics of this file share: channels-last tensors of rank 3 or 4 whose channels fill
/// vectors of kernels/vector.cl, in float32 and, where the node may, float16; bytes where `bytes`
/// says so.
class VectorTactic : public Tactic {
 public:
  VectorTactic(const Device& device, std::string name) : device_(device), name_(std::move(name)) {}
  std::string_view name() const override { return name_; }

 protected:
  void add(const MatchContext& context, NodeId node, const FusedNodes& region,
           double flopsPerOutput, std::string parameters, double factor, bool bytes,
           std::vector<Candidate>& candidates) const {
    auto infoOf = [&](ValueId id) { return context.shapes.values[static_cast<std::size_t>(id)]; };
    const TensorInfo in = infoOf(context.graph.node(node).inputs[0]), out = infoOf(region.output);
    const int rank = in.dims.rank();
    if (rank < 3 || rank > 4 || out.dims.volume() == 0) return;
    for (DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kUInt8}) {
      const bool isByte = type == DataType::kUInt8;
      if (isByte && !bytes) continue;
      if (in.type != (isByte ? type : DataType::kFloat32) || out.dims[1] % widthOf(type)) continue;
      if (type == DataType::kFloat16 &&
          !std::all_of(region.nodes.begin(), region.nodes.end(), [&](NodeId n) {
            return context.graph.computeType(n) == DataType::kFloat16;
          }))
        continue;
      Candidate c;
      c.tactic = this;
      c.nodes = region.nodes;
      c.inputs = {context.graph.node(node).inputs[0]};
      c.outputs = {region.output};
      c.inputLayouts = c.outputLayouts = {Layout::channelsLast(type, rank)};
      c.parameters = parameters;
      c.flops = flopsPerOutput * static_cast<double>(out.dims.volume());
      c.bytes = static_cast<double>(sizeOf(type)) *
                static_cast<double>(in.dims.volume() + out.dims.volume());
      c.seconds = CostModel(device_.info()).seconds(c.flops, c.bytes, 0.1) * factor;
      candidates.push_back(std::move(c));
    }
  }

  const Device& device_;

 private:
  std::string name_;
};

void defineElement(ProgramSource& source, DataType type) {
  source.define("BITS", 8 * static_cast<int>(sizeOf(type)));
}

class VectorPooling final : public VectorTactic {
 public:
  explicit VectorPooling(const Device& device) : VectorTactic(device, "pool_vector") {}

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Pooling* a = context.graph.node(id).as<Pooling>();
    if (!a) return;
    const Dims& in =
        context.shapes.values[static_cast<std::size_t>(context.graph.node(id).inputs[0])].dims;
    if (in.rank() > 4) return;
    const std::size_t first = candidates.size();
    add(context, id, fusedNodes(context, id, [](const Activation&) { return false; }).front(),
        static_cast<double>(resolveWindow(*a, in).kernel.volume()), "", 1,
        a->type == PoolingType::kMax, candidates);
    if (!a->global || a->type != PoolingType::kAverage) return;
    // What reads averages often wants rows of floats: without a launch that makes them so.
    for (std::size_t i = first, end = candidates.size(); i < end; ++i) {
      if (candidates[i].outputLayouts[0].type != DataType::kFloat16) continue;
      Candidate c = candidates[i];
      c.outputLayouts = {Layout::linear(DataType::kFloat32)};
      candidates.push_back(std::move(c));
    }
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const Pooling& a = *c.graph.node(c.candidate.nodes[0]).as<Pooling>();
    const BufferView &in = c.inputs[0], &out = c.outputs[0];
    VectorWindow w(in, out);
    w.set(Window3(resolveWindow(a, in.dims), in.dims));
    ProgramSource source{.file = "vector_pool.cl"};
    defineElement(source, in.type);
    source.define("AVERAGE", a.type == PoolingType::kAverage);
    source.define("COUNT_PADDING", a.averageCountsPadding);
    const bool floats = out.type != in.type;
    if (floats || isGlobalAverage(a, w)) {
      source.define("FLOAT_OUTPUT", floats);
      source.define("BATCH", 4);
      constexpr std::size_t kVectors = 4, kSlices = 16;
      source.define("VECTORS", kVectors);
      source.define("SLICES", kSlices);
      Launch launch;
      launch.program = device_.program(source);
      launch.kernel = "globalAverage";
      launch.arguments = {Argument::view(in), Argument::view(out), Argument::value(w)};
      launch.local = {kVectors, kSlices, 1};
      launch.global = {(static_cast<std::size_t>(w.vectors) + kVectors - 1) / kVectors * kVectors,
                       kSlices, static_cast<std::size_t>(out.dims[0])};
      return std::make_unique<ClStep>(std::vector<Launch>{std::move(launch)});
    }
    constexpr int kMostBatch = 8;
    source.define("BATCH", std::min<int>(kMostBatch, w.kernelWidth));
    return std::make_unique<ClStep>(std::vector<Launch>{launchOverPixels(
        device_.program(source), "pool",
        {Argument::view(in), Argument::view(out), Argument::value(w)}, w, out.dims[0], 1)});
  }

 private:
  /// Of images of which one work item would take long.
  static bool isGlobalAverage(const Pooling& a, const VectorWindow& w) {
    constexpr int kLeastPixels = 16;
    return a.type == PoolingType::kAverage && w.outHeight == 1 && w.outWidth == 1 && w.padY == 0 &&
           w.padX == 0 && w.postPadY == 0 && w.postPadX == 0 && w.kernelHeight == w.inHeight &&
           w.kernelWidth == w.inWidth && w.inHeight * w.inWidth >= kLeastPixels;
  }
};

class VectorResize final : public VectorTactic {
 public:
  explicit VectorResize(const Device& device) : VectorTactic(device, "resize_vector") {}

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Resize* a = context.graph.node(id).as<Resize>();
    if (!a || a->mode != InterpolationMode::kNearest) return;
    const TensorInfo& in =
        context.shapes.values[static_cast<std::size_t>(context.graph.node(id).inputs[0])];
    const Dims out = resizedDims(*a, in.dims);
    if (in.dims.rank() < 3 || out[0] != in.dims[0] || out[1] != in.dims[1]) return;
    add(context, id, fusedNodes(context, id, [](const Activation&) { return false; }).front(), 1,
        "", 1, true, candidates);
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const Resize& a = *c.graph.node(c.candidate.nodes[0]).as<Resize>();
    const BufferView &in = c.inputs[0], &out = c.outputs[0];
    VectorWindow w(in, out);
    const int last = in.dims.rank() - 1;
    auto table = [&](int axis) {
      std::vector<cl_int> from{0};
      if (axis >= 2) {
        from.clear();
        for (const ResizeTaps& taps : resizeTaps(a, in.dims, out.dims, axis).at)
          from.push_back(toInt(taps.index[0]));
      }
      return Argument::memory(device_.upload(from, "a resize's positions"));
    };
    ProgramSource source{.file = "vector_resize.cl"};
    defineElement(source, out.type);
    return std::make_unique<ClStep>(std::vector<Launch>{launchOverPixels(
        device_.program(source), "resize",
        {Argument::view(in), table(last - 1), table(last), Argument::view(out), Argument::value(w)},
        w, out.dims[0], 1)});
  }
};

class VectorDepthwise final : public VectorTactic {
 public:
  explicit VectorDepthwise(const Device& device) : VectorTactic(device, "conv_depthwise_vector") {}

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Convolution* a = context.graph.node(id).as<Convolution>();
    if (!a) return;
    const Dims& in =
        context.shapes.values[static_cast<std::size_t>(context.graph.node(id).inputs[0])].dims;
    if (in.rank() < 3 || in.rank() > 4 || a->groups != in[1] || a->outputs != in[1]) return;
    Window3 w(resolveWindow(*a, in), in);
    constexpr std::int64_t kLargest = 7;
    if (w.kernel[1] > kLargest || w.kernel[2] > kLargest || w.dilation[1] != 1 ||
        w.dilation[2] != 1 || w.stride[2] > 2)
      return;
    const double outputs = static_cast<double>(in[0] * in[1] * w.out[1] * w.out[2]);
    // More columns a work item read less, but keep fewer work items busy.
    const double items = outputs / 8;
    const int best = items > 4e5 ? 4 : items > 1e5 ? 2 : 1;
    for (const FusedNodes& region :
         fusedNodes(context, id, [](const Activation&) { return true; })) {
      if (region.residual != kNone) break;
      for (int columns : {1, 2, 4})
        add(context, id, region, 2 * static_cast<double>(w.kernel[1] * w.kernel[2]),
            fmt::format("columns={}", columns), columns == best ? 1 : 1.1, false, candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes[0]);
    const auto channels = static_cast<std::size_t>(node.as<Convolution>()->outputs);
    const std::vector<float> weights = floatWeights(node.weights[0]);
    std::vector<float> turned(weights.size()), bias(channels, 0);
    const std::size_t taps = weights.size() / channels;
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t t = 0; t < taps; ++t) turned[t * channels + c] = weights[c * taps + t];
    if (node.weights.size() > 1 && node.weights[1].count) bias = floatWeights(node.weights[1]);
    return std::make_shared<Packed>(
        Packed{device_.upload(turned, node.name), device_.upload(bias, node.name)});
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const Convolution& a = *c.graph.node(c.candidate.nodes[0]).as<Convolution>();
    const BufferView &in = c.inputs[0], &out = c.outputs[0];
    const auto& packed = *static_cast<const Packed*>(c.packed.get());
    int columns = 0;
    if (std::sscanf(c.candidate.parameters.c_str(), "columns=%d", &columns) != 1)
      throw Error(
          ErrorCode::kInternal,
          fmt::format("[convolution] parameters '{}' are not understood", c.candidate.parameters));
    VectorWindow w(in, out);
    w.set(Window3(resolveWindow(a, in.dims), in.dims));
    ActivationFunction activation;
    if (auto* found = fusedNodes(c.graph, c.candidate.nodes).activation)
      activation = activationFunction(*found);
    w.alpha = activation.alpha, w.beta = activation.beta;
    ProgramSource source{.file = "vector_depthwise.cl"};
    defineElement(source, out.type);
    source.define("KERNEL_Y", w.kernelHeight);
    source.define("KERNEL_X", w.kernelWidth);
    source.define("STRIDE_X", w.strideX);
    source.define("COLUMNS", columns);
    source.define("ACTIVATION", activation.name);
    return std::make_unique<ClStep>(std::vector<Launch>{
        launchOverPixels(device_.program(source), "depthwise",
                         {Argument::view(in), Argument::memory(packed.weights),
                          Argument::memory(packed.bias), Argument::view(out), Argument::value(w)},
                         w, out.dims[0], columns)});
  }

 private:
  struct Packed {
    cl::Buffer weights, bias;
  };
};

}  // namespace
}  // namespace opencl

void registerTactic_vector_window(opencl::TacticRegistry& registry) {
  using namespace opencl;
  registry.add(std::make_unique<VectorPooling>(registry.device()));
  registry.add(std::make_unique<VectorResize>(registry.device()));
  registry.add(std::make_unique<VectorDepthwise>(registry.device()));
}

}  // namespace layerwise
