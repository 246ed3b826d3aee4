#include "engine/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "engine/batch_plan.h"
#include "engine/batch_shapes.h"
#include "engine/memory_plan.h"
#include "engine/tensor_places.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

/// The images of the batch that a step works on.
struct Part {
  std::int64_t first = 0, images = 0;
  int lane = BoundStep::kNoLane;
};

class ProgramBinder {
 public:
  ProgramBinder(const Graph& graph, const Selection& selection,
                const std::vector<std::shared_ptr<const void>>& packed, const Backend& backend,
                const std::vector<Dims>& inputDims, int workers, BatchOrder order)
      : graph_(graph),
        selection_(selection),
        packed_(packed),
        backend_(backend),
        workers_(workers),
        order_(order),
        shapes_(graph, inputDims),
        places_(graph, selection, shapes_.whole()) {
    if (!graph.inputs.empty() && !graph.inputs[0].range.opt.empty())
      optBatch_ = std::max<std::int64_t>(1, graph.inputs[0].range.opt[0]);
  }

  Program bind() {
    describeIo();
    program_.reformats = places_.reformats();
    divideBatch();
    placeInMemory();
    for (const BatchSegment& segment : segments_) bindSegment(segment);
    program_.shapes = shapes_.whole();
    return std::move(program_);
  }

 private:
  void describeIo() {
    auto bytes = [&](ValueId value) {
      return static_cast<std::size_t>(places_.info(value).dims.volume()) *
             sizeOf(places_.info(value).type);
    };
    for (const GraphInput& input : graph_.inputs)
      program_.io.push_back({bytes(input.value), true, false});
    for (const GraphOutput& output : graph_.outputs)
      program_.io.push_back({bytes(output.value), false, true});
  }

  /// Decides which steps all workers share, and which run in lanes.
  void divideBatch() {
    const auto count = static_cast<int>(places_.actions().size());
    segments_ = {{0, count, shapes_.batch()}};
    if (order_ == BatchOrder::kWhole || backend_.nearBytes() == 0 || !shapes_.divide()) return;
    std::vector<BatchAction> actions;
    for (const ProgramAction& action : places_.actions()) actions.push_back(describe(action));
    std::vector<bool> external;
    for (const TensorCopy& c : places_.copies()) external.push_back(c.buffer != 0);
    segments_ = planBatch(actions, external, {shapes_.batch(), workers_, backend_.nearBytes()});
  }

  /// What a step that works on a part of the batch sees of a copy.
  BufferView view(int index, const Part& part) {
    if (places_.copy(places_.root(index)).ofLane)
      return places_.placeOf(index, shapes_.of(part.images));
    BufferView whole = places_.placeOf(index, shapes_.whole());
    if (part.images == shapes_.batch() || !shapes_.isBatched(places_.copy(index).value))
      return whole;
    whole.byteOffset +=
        static_cast<std::size_t>(part.first * whole.strides[0]) * sizeOf(whole.type);
    whole.dims[0] = part.images;
    return whole;
  }

  bool inLanes(const BatchSegment& segment) const { return segment.images < shapes_.batch(); }

  BatchAction describe(const ProgramAction& action) const {
    BatchAction described;
    auto access = [&](int index) {
      const TensorCopy& c = places_.copy(index);
      double bytes = static_cast<double>(places_.info(c.value).dims.volume()) *
                     static_cast<double>(sizeOf(c.layout.type));
      return BatchAction::Access{places_.root(index), bytes / static_cast<double>(shapes_.batch())};
    };
    for (int index : action.inputs) described.reads.push_back(access(index));
    for (int index : action.outputs) described.writes.push_back(access(index));
    if (action.region == kNone) {
      described.imageByImage = shapes_.isBatched(places_.copy(action.inputs[0]).value);
      return described;
    }
    described.imageByImage = true;
    described.flops = places_.candidate(action).flops / static_cast<double>(optBatch_);
    for (NodeId id : places_.candidate(action).nodes) {
      const Node& node = graph_.node(id);
      described.imageByImage &= shapes_.isImageByImage(node);
      for (const ConstantData& weights : node.weights)
        described.weightBytes +=
            static_cast<double>(weights.count) * static_cast<double>(sizeOf(weights.type));
    }
    return described;
  }

  /// Finds the steps between which each copy's memory must live. What the lanes of one segment
  /// alone use is theirs; anything else that several of them touch lives as long as the segment at
  /// least.
  void findLifetimes() {
    for (const BatchSegment& segment : segments_)
      for (int step = segment.first; step < segment.end; ++step)
        for (const auto* list : {&places_.actionAt(step).inputs, &places_.actionAt(step).outputs})
          for (int index : *list) {
            TensorCopy& owner = places_.copy(places_.root(index));
            if (owner.first < 0) owner.first = step;
            owner.last = step;
            owner.ofLane = inLanes(segment) && owner.buffer == 0 && owner.first >= segment.first;
          }
    for (const BatchSegment& segment : segments_)
      for (TensorCopy& c : places_.copies()) {
        bool touched = c.first >= 0 && c.last >= segment.first && c.first < segment.end;
        if (!inLanes(segment) || c.ofLane || !touched) continue;
        c.first = std::min(c.first, segment.first);
        c.last = std::max(c.last, segment.end - 1);
      }
  }

  std::int64_t imagesOf(int step) const {
    auto holds = [&](const BatchSegment& segment) { return step < segment.end; };
    return std::find_if(segments_.begin(), segments_.end(), holds)->images;
  }

  /// Places the copies that the workers share, or those of a lane; returns the bytes they take.
  std::size_t placeInMemory(bool ofLane) {
    std::vector<TensorCopy*> owners;
    std::vector<MemoryRequest> requests;
    for (TensorCopy& c : places_.copies()) {
      if (c.parent != kNone || c.buffer != 0 || c.first < 0 || c.ofLane != ofLane) continue;
      const ShapeTable& shapes = ofLane ? shapes_.of(imagesOf(c.first)) : shapes_.whole();
      const TensorInfo& tensor = shapes.values[static_cast<std::size_t>(c.value)];
      // 64 bytes behind each tensor belong to nobody, so that a reader that overruns meets no other
      // worker's writes.
      requests.push_back(
          {static_cast<std::size_t>(tensor.dims.volume()) * sizeOf(c.layout.type) + 64, c.first,
           c.last});
      owners.push_back(&c);
    }
    MemoryPlan plan = planMemory(requests);
    for (std::size_t i = 0; i < owners.size(); ++i) owners[i]->byteOffset = plan.offsets[i];
    return plan.bytes;
  }

  void placeInMemory() {
    findLifetimes();
    program_.memory = {placeInMemory(false), placeInMemory(true)};
    for (TensorCopy& c : places_.copies())
      if (c.ofLane) c.buffer = static_cast<int>(program_.io.size()) + 1;
  }

  void bindSegment(const BatchSegment& segment) {
    Part part;
    for (; part.first < shapes_.batch(); part.first += part.images) {
      part.images = std::min(segment.images, shapes_.batch() - part.first);
      if (inLanes(segment)) ++part.lane;
      for (int step = segment.first; step < segment.end; ++step)
        bindAction(places_.actionAt(step), part);
    }
  }

  void bindAction(const ProgramAction& action, const Part& part) {
    BoundStep bound;
    bound.lane = part.lane;
    const int workers = part.lane == BoundStep::kNoLane ? workers_ : 1;
    std::vector<BufferView> inputs, outputs;
    for (int index : action.inputs) inputs.push_back(view(index, part));
    for (int index : action.outputs) outputs.push_back(view(index, part));
    for (std::size_t i = 0; i < outputs.size(); ++i)
      bound.outputs.emplace_back(graph_.value(places_.copy(action.outputs[i]).value).name,
                                 outputs[i]);
    if (!inputs.empty()) bound.type = inputs[0].type;
    if (action.region == kNone) {
      bound.layers = fmt::format("reformat {} ({} -> {})",
                                 graph_.value(places_.copy(action.inputs[0]).value).name,
                                 toString(places_.copy(action.inputs[0]).layout),
                                 toString(places_.copy(action.outputs[0]).layout));
      bound.tactic = "reformat";
      bound.bytes = 2.0 * static_cast<double>(inputs[0].dims.volume()) *
                    static_cast<double>(sizeOf(inputs[0].type));
      bound.step = backend_.bindReformat(inputs[0], outputs[0], workers);
    } else {
      const Candidate& chosen = places_.candidate(action);
      std::vector<std::string> names;
      for (NodeId id : chosen.nodes) names.push_back(graph_.node(id).name);
      bound.layers = fmt::format("{}", fmt::join(names, " + "));
      bound.tactic = chosen.tactic->name();
      const double share = static_cast<double>(part.images) / static_cast<double>(optBatch_);
      bound.flops = chosen.flops * share;
      bound.bytes = chosen.bytes * share;
      bound.step = chosen.tactic->bind({graph_, chosen, shapes_.of(part.images), inputs, outputs,
                                        packed_[static_cast<std::size_t>(action.region)], workers});
    }
    program_.steps.push_back(std::move(bound));
  }

  const Graph& graph_;
  const Selection& selection_;
  const std::vector<std::shared_ptr<const void>>& packed_;
  const Backend& backend_;
  int workers_;
  BatchOrder order_;
  BatchShapes shapes_;
  TensorPlaces places_;
  std::int64_t optBatch_ = 1;  ///< what candidates' operations were counted for
  Program program_;
  std::vector<BatchSegment> segments_;
};

}  // namespace

bool BufferView::isDense() const {
  return strides == denseStrides(Layout::linear(type), dims);
}

Program bindProgram(const Graph& graph, const Selection& selection,
                    const std::vector<std::shared_ptr<const void>>& packed, const Backend& backend,
                    const std::vector<Dims>& inputDims, int workers, BatchOrder order) {
  return ProgramBinder(graph, selection, packed, backend, inputDims, workers, order).bind();
}

}  // namespace layerwise
