#include "backends/opencl/nest.h"
#include "backends/opencl/single_node.h"
#include "backends/opencl/step.h"
#include "backends/shared/lstm_cells.h"

namespace layerwise {
namespace opencl {
namespace {

/// One layer's weights, those of its directions one after the other.
struct PackedLayer {
  cl::Buffer inputWeights, hiddenWeights, bias;
  std::int64_t width = 0;
};

std::shared_ptr<const void> packLstm(const Lstm& a, const Node& node, const Device& device) {
  std::vector<LstmCell> cells = lstmCells(a, node);
  std::size_t directions = a.bidirectional ? 2 : 1;
  auto layers = std::make_shared<std::vector<PackedLayer>>();
  for (std::size_t first = 0; first < cells.size(); first += directions) {
    LstmCell all = cells[first];
    auto append = [](std::vector<float>& to, const std::vector<float>& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    for (std::size_t d = 1; d < directions; ++d) {
      append(all.inputWeights, cells[first + d].inputWeights);
      append(all.hiddenWeights, cells[first + d].hiddenWeights);
      append(all.bias, cells[first + d].bias);
    }
    layers->push_back({device.upload(all.inputWeights, node.name),
                       device.upload(all.hiddenWeights, node.name),
                       device.upload(all.bias, node.name), all.width});
  }
  return layers;
}

/// What kernels/lstm.cl takes by value.
struct LstmArgument {
  cl_int batch, steps, width, hidden, layer, directions;
  cl_int in[3], out[3], h[3], c[3], h0[3], c0[3];
};

void setStrides(cl_int (&to)[3], const Dims& strides) {
  for (int i = 0; i < 3; ++i) to[i] = toInt(strides[i]);
}

/// A launch a layer; layers hand on through two stretches of the workspace in turn, behind the
/// groups' own memory.
std::unique_ptr<Step> bindLstm(const Lstm& a, const BindContext& c, const Device& device) {
  const auto& layers = *static_cast<const std::vector<PackedLayer>*>(c.packed.get());
  const BufferView &x = c.inputs[0], &y = c.outputs[0];
  std::int64_t batch = x.dims[0], steps = x.dims[1], directions = a.bidirectional ? 2 : 1;
  if (batch == 0) return std::make_unique<ClStep>();
  bool hasState = c.inputs.size() == 3;
  std::size_t own = static_cast<std::size_t>(batch * directions * 6 * a.hidden) * sizeof(float);
  std::size_t between =
      static_cast<std::size_t>(batch * steps * directions * a.hidden) * sizeof(float);
  Dims betweenStrides =
      denseStrides(Layout::linear(DataType::kFloat32), {batch, steps, directions * a.hidden});
  auto stretch = [&](std::size_t layer) {
    return Argument::workspace(own + layer % 2 * between, sizeof(float));
  };
  ProgramSource source{.file = "lstm.cl"};
  if (hasState) source.define("HAS_STATE", "1");
  std::vector<Launch> launches;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const PackedLayer& weights = layers[layer];
    bool last = layer + 1 == layers.size();
    LstmArgument p{};
    p.batch = toInt(batch), p.steps = toInt(steps), p.width = toInt(weights.width);
    p.hidden = toInt(a.hidden), p.layer = static_cast<cl_int>(layer);
    p.directions = toInt(directions);
    setStrides(p.in, layer == 0 ? x.strides : betweenStrides);
    setStrides(p.out, last ? y.strides : betweenStrides);
    setStrides(p.h, c.outputs[1].strides);
    setStrides(p.c, c.outputs[2].strides);
    std::vector<Argument> arguments{last ? Argument::view(y) : stretch(layer),
                                    layer == 0 ? Argument::view(x) : stretch(layer - 1),
                                    Argument::view(c.outputs[1]), Argument::view(c.outputs[2])};
    if (hasState) {
      setStrides(p.h0, c.inputs[1].strides);
      setStrides(p.c0, c.inputs[2].strides);
      arguments.push_back(Argument::view(c.inputs[1]));
      arguments.push_back(Argument::view(c.inputs[2]));
    }
    arguments.push_back(Argument::workspace(0, sizeof(float)));
    arguments.push_back(Argument::memory(weights.inputWeights));
    arguments.push_back(Argument::memory(weights.hiddenWeights));
    arguments.push_back(Argument::memory(weights.bias));
    arguments.push_back(Argument::value(p));
    constexpr std::size_t kGroup = 64;
    launches.push_back({device.program(source),
                        "lstm",
                        std::move(arguments),
                        {static_cast<std::size_t>(batch * directions) * kGroup, 1, 1},
                        {kGroup, 1, 1}});
  }
  return std::make_unique<ClStep>(std::move(launches), own + (layers.size() > 1 ? 2 * between : 0));
}

double flops(const Lstm&, const NodeInfo& info) {
  const Dims& in = info.inputs[0].dims;
  return 2 * static_cast<double>(info.node.weights[0].count) * static_cast<double>(in[0] * in[1]);
}

}  // namespace
}  // namespace opencl

void registerTactic_lstm(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Lstm>(registry, {.flops = flops, .half = false, .pack = packLstm, .bind = bindLstm});
}

}  // namespace layerwise
