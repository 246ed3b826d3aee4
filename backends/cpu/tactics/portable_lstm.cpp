#include <cmath>

#include "backends/cpu/single_node.h"
#include "backends/shared/lstm_cells.h"

namespace layerwise {
namespace cpu {
namespace {

std::shared_ptr<const void> packLstm(const Lstm& a, const Node& node) {
  return std::make_shared<std::vector<LstmCell>>(lstmCells(a, node));
}

float dot(const float* a, const float* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// A phase a layer; a tile is one image in one direction, since time goes one step after the other.
/// Layers hand on through two buffers of the workspace in turn.
class LstmStep final : public CpuStep {
 public:
  LstmStep(const Lstm& a, const BindContext& c)
      : attributes_(a),
        cells_(std::static_pointer_cast<const std::vector<LstmCell>>(c.packed)),
        inputs_(c.inputs.begin(), c.inputs.end()),
        outputs_(c.outputs.begin(), c.outputs.end()),
        directions_(a.bidirectional ? 2 : 1) {}

  int phases() const override { return static_cast<int>(attributes_.layers); }
  std::int64_t tiles(int) const override { return batch() * directions_; }
  std::size_t workspaceBytes() const override {
    return attributes_.layers > 1 ? 2 * layerElements() * sizeof(float) : 0;
  }
  std::size_t scratchBytes() const override {
    std::int64_t widest = std::max(inputs_[0].dims[2], attributes_.hidden * directions_);
    return static_cast<std::size_t>(widest + 6 * attributes_.hidden) * sizeof(float);
  }

  void run(int layer, std::int64_t tile, const Worker& worker) const override {
    std::int64_t n = tile / directions_, direction = tile % directions_;
    std::int64_t steps = inputs_[0].dims[1], hidden = attributes_.hidden;
    std::int64_t state = layer * directions_ + direction;
    const LstmCell& cell = (*cells_)[static_cast<std::size_t>(state)];
    auto* line = reinterpret_cast<float*>(worker.scratch);
    float* h = line + cell.width;
    float* memory = h + hidden;
    float* gates = memory + hidden;
    for (std::int64_t i = 0; i < hidden; ++i) {
      h[i] = inputs_.size() == 3 ? *at(worker, inputs_[1], state, n, i) : 0;
      memory[i] = inputs_.size() == 3 ? *at(worker, inputs_[2], state, n, i) : 0;
    }
    for (std::int64_t step = 0; step < steps; ++step) {
      std::int64_t t = direction == 0 ? step : steps - 1 - step;
      for (std::int64_t i = 0; i < cell.width; ++i)
        line[i] =
            layer == 0 ? *at(worker, inputs_[0], n, t, i) : *between(worker, layer - 1, n, t, i);
      for (std::int64_t g = 0; g < 4 * hidden; ++g)
        gates[g] = cell.bias[static_cast<std::size_t>(g)] +
                   dot(cell.inputWeights.data() + g * cell.width, line, cell.width) +
                   dot(cell.hiddenWeights.data() + g * hidden, h, hidden);
      for (std::int64_t i = 0; i < hidden; ++i) {
        memory[i] = sigmoid(gates[hidden + i]) * memory[i] +
                    sigmoid(gates[i]) * std::tanh(gates[2 * hidden + i]);
        h[i] = sigmoid(gates[3 * hidden + i]) * std::tanh(memory[i]);
        std::int64_t channel = direction * hidden + i;
        if (layer + 1 == attributes_.layers)
          *at(worker, outputs_[0], n, t, channel) = h[i];
        else
          *between(worker, layer, n, t, channel) = h[i];
      }
    }
    for (std::int64_t i = 0; i < hidden; ++i) {
      *at(worker, outputs_[1], state, n, i) = h[i];
      *at(worker, outputs_[2], state, n, i) = memory[i];
    }
  }

 private:
  std::int64_t batch() const { return inputs_[0].dims[0]; }
  std::size_t layerElements() const {
    return static_cast<std::size_t>(batch() * inputs_[0].dims[1] * attributes_.hidden *
                                    directions_);
  }

  static float* at(const Worker& worker, const BufferView& view, std::int64_t i, std::int64_t j,
                   std::int64_t k) {
    return worker.data<float>(view) + i * view.strides[0] + j * view.strides[1] +
           k * view.strides[2];
  }

  float* between(const Worker& worker, std::int64_t layer, std::int64_t n, std::int64_t t,
                 std::int64_t channel) const {
    return reinterpret_cast<float*>(worker.workspace) +
           static_cast<std::size_t>(layer % 2) * layerElements() +
           ((n * inputs_[0].dims[1] + t) * attributes_.hidden * directions_ + channel);
  }

  Lstm attributes_;
  std::shared_ptr<const std::vector<LstmCell>> cells_;
  std::vector<BufferView> inputs_, outputs_;
  std::int64_t directions_;
};

std::unique_ptr<Step> bindLstm(const Lstm& a, const BindContext& c) {
  return std::make_unique<LstmStep>(a, c);
}

double flops(const Lstm&, const NodeInfo& info) {
  const Dims& in = info.inputs[0].dims;
  return 2 * static_cast<double>(info.node.weights[0].count) * static_cast<double>(in[0] * in[1]);
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_lstm(cpu::TacticRegistry& registry) {
  cpu::addPortable<Lstm>(registry,
                         {.flops = cpu::flops, .pack = cpu::packLstm, .bind = cpu::bindLstm});
}

}  // namespace layerwise
