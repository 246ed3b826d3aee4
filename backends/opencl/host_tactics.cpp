#include "backends/opencl/host_tactics.h"

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "backends/opencl/step.h"
#include "backends/shared/node_info.h"
#include "layerwise/network.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

// A copy to the host and back, a wait, and what the host takes: more than any kernel.
constexpr double kHostSeconds = 1e-3;

std::vector<HostOperand> operandsOf(std::span<const BufferView> views) {
  std::vector<HostOperand> operands;
  for (const BufferView& view : views) operands.push_back({view, true});
  return operands;
}

/// A candidate for one node with linear layouts.
Candidate hostCandidate(const Tactic& tactic, const MatchContext& context, NodeId id) {
  NodeInfo info(context.graph, context.shapes, id);
  Candidate candidate;
  candidate.tactic = &tactic;
  candidate.nodes = {id};
  candidate.inputs = info.node.inputs;
  candidate.outputs = info.node.outputs;
  for (const TensorInfo& input : info.inputs)
    candidate.inputLayouts.push_back(Layout::linear(input.type));
  for (const TensorInfo& output : info.outputs)
    candidate.outputLayouts.push_back(Layout::linear(output.type));
  candidate.seconds = kHostSeconds;
  return candidate;
}

class PluginStep final : public HostStep {
 public:
  PluginStep(std::shared_ptr<const Plugin> plugin, const BindContext& c)
      : HostStep(inputsOf(*plugin, c.inputs), operandsOf(c.outputs)), plugin_(std::move(plugin)) {}

  void run(std::span<const TensorView> in, std::span<const TensorView> out,
           ThreadPool& pool) const override {
    std::vector<TensorInfo> infos;
    for (const TensorView& input : in) infos.push_back({input.type, input.dims});
    std::int64_t tasks = plugin_->tasks(infos);
    std::size_t scratchBytes = plugin_->scratchBytes(infos);
    std::atomic<std::int64_t> next{0};
    pool.run([&](int) {
      constexpr std::size_t kAlignment = 64;
      std::vector<std::byte> memory(scratchBytes + kAlignment);
      auto address = reinterpret_cast<std::uintptr_t>(memory.data());
      std::byte* scratch = memory.data() + (kAlignment - address % kAlignment) % kAlignment;
      for (std::int64_t task = next++; task < tasks; task = next++)
        plugin_->run(task, in, out, {scratch, scratchBytes});
    });
  }

 private:
  static std::vector<HostOperand> inputsOf(const Plugin& plugin,
                                           std::span<const BufferView> views) {
    std::vector<HostOperand> operands = operandsOf(views);
    for (std::size_t i = 0; i < operands.size(); ++i)
      operands[i].dense = plugin.inputFormat(static_cast<int>(i)) == TensorFormat::kLinear;
    return operands;
  }

  std::shared_ptr<const Plugin> plugin_;
};

class PluginTactic final : public Tactic {
 public:
  std::string_view name() const override { return "host_plugin"; }
  bool takesAnyValues() const override { return false; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const auto* layer = context.graph.node(id).as<PluginLayer>();
    if (!layer) return;
    Candidate candidate = hostCandidate(*this, context, id);
    Candidate strided = candidate;
    bool anyStrided = false;
    for (std::size_t i = 0; i < candidate.inputs.size(); ++i) {
      TensorFormat format = layer->plugin->inputFormat(static_cast<int>(i));
      if (format == TensorFormat::kLinear) continue;
      auto id32 = static_cast<std::size_t>(candidate.inputs[i]);
      const TensorInfo& info = context.shapes.values[id32];
      strided.inputLayouts[i] = Layout::channelsLast(info.type, info.dims.rank());
      if (format == TensorFormat::kChannelsLast)
        candidate.inputLayouts[i] = strided.inputLayouts[i];
      else
        anyStrided = true;
    }
    candidates.push_back(candidate);
    if (anyStrided) candidates.push_back(strided);
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes[0]);
    return std::make_unique<PluginStep>(node.as<PluginLayer>()->plugin, context);
  }
};

class ReferenceStep final : public HostStep {
 public:
  explicit ReferenceStep(const BindContext& c)
      : HostStep(operandsOf(c.inputs), operandsOf(c.outputs)),
        kind_(c.graph.node(c.candidate.nodes[0]).kind),
        attributes_(c.graph.node(c.candidate.nodes[0]).attributes) {
    for (const ConstantData& w : c.graph.node(c.candidate.nodes[0]).weights)
      weights_.push_back(ReferenceTensor::read({w.type, {w.count}}, w.bytes.get()));
  }

  void run(std::span<const TensorView> in, std::span<const TensorView> out,
           ThreadPool&) const override {
    std::vector<ReferenceTensor> inputs, outputs;
    for (const TensorView& tensor : in)
      inputs.push_back(ReferenceTensor::read({tensor.type, tensor.dims}, tensor.data));
    for (const TensorView& tensor : out) outputs.emplace_back(TensorInfo{tensor.type, tensor.dims});
    kind_->reference(attributes_.get(), {inputs, weights_, outputs});
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].round();
      outputs[i].write(out[i].data);
    }
  }

 private:
  const LayerKind* kind_;
  std::shared_ptr<const void> attributes_;
  std::vector<ReferenceTensor> weights_;
};

class ReferenceTactic final : public Tactic {
 public:
  std::string_view name() const override { return "host_reference"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    bool taken = std::any_of(candidates.begin(), candidates.end(),
                             [](const Candidate& c) { return c.nodes.size() == 1; });
    if (!taken) candidates.push_back(hostCandidate(*this, context, id));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    return std::make_unique<ReferenceStep>(context);
  }
};

}  // namespace

std::unique_ptr<Tactic> hostPluginTactic() {
  return std::make_unique<PluginTactic>();
}

std::unique_ptr<Tactic> hostReferenceTactic() {
  return std::make_unique<ReferenceTactic>();
}

}  // namespace layerwise::opencl
