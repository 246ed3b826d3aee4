#include <algorithm>

#include "backends/cpu/copy_step.h"
#include "backends/cpu/single_node.h"
#include "layerwise/network.h"

namespace layerwise {
namespace cpu {
namespace {

std::size_t alignedBytes(const BufferView& view) {
  std::size_t bytes = static_cast<std::size_t>(view.dims.volume()) * sizeOf(view.type);
  return (bytes + 63) / 64 * 64;
}

/// Runs a plugin's tasks. Tensors that must be without gaps and are not go through dense copies in
/// the workspace: a phase before for inputs, one after for outputs.
class PluginStep final : public CpuStep {
 public:
  PluginStep(std::shared_ptr<const Plugin> plugin, const BindContext& c)
      : plugin_(std::move(plugin)) {
    for (const BufferView& view : c.inputs) infos_.push_back({view.type, view.dims});
    for (std::size_t i = 0; i < c.inputs.size(); ++i) {
      bool linear = plugin_->inputFormat(static_cast<int>(i)) == TensorFormat::kLinear;
      inputs_.push_back(place(c.inputs[i], linear));
    }
    for (const BufferView& view : c.outputs) outputs_.push_back(place(view, true));
    tasks_ = plugin_->tasks(infos_);
    scratchBytes_ = plugin_->scratchBytes(infos_);
  }

  int phases() const override { return 3; }
  std::int64_t tiles(int phase) const override {
    return phase == 0 ? copies(inputs_) : phase == 1 ? tasks_ : copies(outputs_);
  }
  std::size_t scratchBytes() const override { return scratchBytes_; }
  std::size_t workspaceBytes() const override { return workspaceBytes_; }

  void run(int phase, std::int64_t tile, const Worker& worker) const override {
    if (phase == 1) {
      std::vector<TensorView> inputs, outputs;
      for (const Place& input : inputs_) inputs.push_back(input.tensor(worker));
      for (const Place& output : outputs_) outputs.push_back(output.tensor(worker));
      plugin_->run(tile, inputs, outputs, {worker.scratch, scratchBytes_});
      return;
    }
    // The workspace is buffer 0 of what the copying step sees, the tensor itself buffer 1.
    const Place& copied = nthCopied(phase == 0 ? inputs_ : outputs_, tile);
    std::byte* buffers[] = {worker.workspace,
                            worker.buffers[static_cast<std::size_t>(copied.view.buffer)]};
    BufferView outer = copied.view, dense = copied.dense;
    outer.buffer = 1;
    dense.buffer = 0;
    auto step = bindCopies(
        {phase == 0 ? CopyPiece{dense, outer, nullptr} : CopyPiece{outer, dense, nullptr}});
    const auto& copy = static_cast<const CpuStep&>(*step);
    for (std::int64_t i = 0; i < copy.tiles(0); ++i) copy.run(0, i, {.buffers = buffers});
  }

 private:
  struct Place {
    BufferView view;
    BufferView dense;  ///< in the workspace
    bool copied = false;

    TensorView tensor(const Worker& worker) const {
      if (!copied) return {view.type, view.dims, view.strides, worker.data<void>(view)};
      return {dense.type, dense.dims, dense.strides, worker.workspace + dense.byteOffset};
    }
  };

  Place place(const BufferView& view, bool needsDense) {
    Place made{view, view, needsDense && !view.isDense()};
    if (made.copied) {
      made.dense.strides = denseStrides(Layout::linear(view.type), view.dims);
      made.dense.byteOffset = workspaceBytes_;
      workspaceBytes_ += alignedBytes(view);
    }
    return made;
  }

  static std::int64_t copies(const std::vector<Place>& places) {
    return std::count_if(places.begin(), places.end(), [](const Place& p) { return p.copied; });
  }
  static const Place& nthCopied(const std::vector<Place>& places, std::int64_t n) {
    return *std::find_if(places.begin(), places.end(),
                         [&](const Place& p) { return p.copied && n-- == 0; });
  }

  std::shared_ptr<const Plugin> plugin_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> inputs_, outputs_;
  std::int64_t tasks_ = 0;
  std::size_t scratchBytes_ = 0, workspaceBytes_ = 0;
};

class PluginTactic final : public Tactic {
 public:
  std::string_view name() const override { return "plugin"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const auto* layer = context.graph.node(id).as<PluginLayer>();
    if (!layer) return;
    NodeInfo info(context.graph, context.shapes, id);
    Candidate candidate;
    candidate.tactic = this;
    candidate.nodes = {id};
    candidate.inputs = info.node.inputs;
    candidate.outputs = info.node.outputs;
    bool strided = false;
    for (std::size_t i = 0; i < info.inputs.size(); ++i) {
      const TensorInfo& input = info.inputs[i];
      TensorFormat format = layer->plugin->inputFormat(static_cast<int>(i));
      strided = strided || format == TensorFormat::kStrided;
      candidate.inputLayouts.push_back(format == TensorFormat::kChannelsLast
                                           ? Layout::channelsLast(input.type, input.dims.rank())
                                           : Layout::linear(input.type));
      candidate.bytes +=
          static_cast<double>(input.dims.volume()) * static_cast<double>(sizeOf(input.type));
    }
    for (const TensorInfo& output : info.outputs)
      candidate.outputLayouts.push_back(Layout::linear(output.type));
    candidate.seconds = candidate.bytes / 1e9;
    if (!strided) {
      candidates.push_back(std::move(candidate));
      return;
    }
    // Plugins that take any strides interpret maps, cell by cell: a cell's channels lie together
    // where they are innermost, and convolutions write them so.
    constexpr double kApart = 2;
    candidates.push_back(candidate);
    candidates.back().seconds *= kApart;
    for (std::size_t i = 0; i < info.inputs.size(); ++i)
      if (layer->plugin->inputFormat(static_cast<int>(i)) == TensorFormat::kStrided)
        candidate.inputLayouts[i] =
            Layout::channelsLast(info.inputs[i].type, info.inputs[i].dims.rank());
    candidates.push_back(std::move(candidate));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes[0]);
    return std::make_unique<PluginStep>(node.as<PluginLayer>()->plugin, context);
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_plugin(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::PluginTactic>());
}

}  // namespace layerwise
