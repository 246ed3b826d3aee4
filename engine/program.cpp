#include "engine/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "engine/batch_plan.h"
#include "engine/batch_shapes.h"
#include "engine/memory_plan.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

/// One tensor in one layout. It has memory of its own, or lies inside another copy as a box, or is
/// another copy's bytes under another shape.
struct Copy {
  ValueId value = kNone;
  Layout layout;
  int parent = kNone;
  bool reshaped = false;  ///< the parent's bytes, this copy's shape
  Dims offset;            ///< in the parent
  int buffer = 0;
  bool movable = true;  ///< may still be put inside another copy
  bool ofLane = false;  ///< lies in a lane's memory, with room for the lane's images
  int first = -1;       ///< steps between which it must live
  int last = -1;
  std::size_t byteOffset = 0;
};

struct Action {
  int region = kNone;  ///< kNone: a reformat
  std::vector<int> inputs;
  std::vector<int> outputs;
};

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
        shapes_(graph, inputDims) {
    copiesOf_.resize(graph.values.size());
    if (!graph.inputs.empty() && !graph.inputs[0].range.opt.empty())
      optBatch_ = std::max<std::int64_t>(1, graph.inputs[0].range.opt[0]);
  }

  Program bind() {
    describeIo();
    makeCopies();
    placeOutputs();
    for (const Action& action : actions_)
      if (action.region != kNone) placeViews(action);
    dropIdleActions();
    divideBatch();
    placeInMemory();
    for (const BatchSegment& segment : segments_) bindSegment(segment);
    program_.shapes = shapes_.whole();
    return std::move(program_);
  }

 private:
  Copy& copy(int index) { return copies_[static_cast<std::size_t>(index)]; }
  const Copy& copy(int index) const { return copies_[static_cast<std::size_t>(index)]; }
  const TensorInfo& info(ValueId value) const {
    return shapes_.whole().values[static_cast<std::size_t>(value)];
  }
  const Action& actionAt(int step) const { return actions_[static_cast<std::size_t>(step)]; }
  const Candidate& candidate(const Action& action) const {
    return selection_.regions[static_cast<std::size_t>(action.region)].chosen;
  }

  void describeIo() {
    auto bytes = [&](ValueId value) {
      return static_cast<std::size_t>(info(value).dims.volume()) * sizeOf(info(value).type);
    };
    for (const GraphInput& input : graph_.inputs)
      program_.io.push_back({bytes(input.value), true, false});
    for (const GraphOutput& output : graph_.outputs)
      program_.io.push_back({bytes(output.value), false, true});
  }

  int addCopy(ValueId value, const Layout& layout) {
    Copy& made = copies_.emplace_back();
    made.value = value;
    made.layout = layout;
    copiesOf_[static_cast<std::size_t>(value)].push_back(static_cast<int>(copies_.size()) - 1);
    return static_cast<int>(copies_.size()) - 1;
  }

  /// The copy of a value in a layout; made by a reformat of the first copy where there is none.
  int copyIn(ValueId value, const Layout& layout) {
    auto& list = copiesOf_[static_cast<std::size_t>(value)];
    for (int index : list)
      if (copy(index).layout == layout) return index;
    return addReformat(list.front(), layout);
  }

  int addReformat(int from, Layout layout) {
    int made = addCopy(copy(from).value, layout);
    actions_.push_back({kNone, {from}, {made}});
    ++program_.reformats;
    return made;
  }

  /// Kernels read bytes in words, and so up to three beyond the end: bytes are computed with in
  /// memory of the engine's own.
  static bool mayLieAtCaller(DataType type) { return type != DataType::kUInt8; }

  void makeCopies() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      ValueId value = graph_.inputs[i].value;
      int given = addCopy(value, Layout::linear(info(value).type));
      copy(given).buffer = static_cast<int>(i) + 1;
      copy(given).movable = false;
      if (mayLieAtCaller(info(value).type)) continue;
      copiesOf_[static_cast<std::size_t>(value)].clear();
      addReformat(given, copy(given).layout);
    }
    for (std::size_t r = 0; r < selection_.regions.size(); ++r) {
      const Candidate& chosen = selection_.regions[r].chosen;
      Action action{static_cast<int>(r), {}, {}};
      for (std::size_t i = 0; i < chosen.inputs.size(); ++i)
        action.inputs.push_back(copyIn(chosen.inputs[i], chosen.inputLayouts[i]));
      for (std::size_t i = 0; i < chosen.outputs.size(); ++i)
        action.outputs.push_back(addCopy(chosen.outputs[i], chosen.outputLayouts[i]));
      actions_.push_back(std::move(action));
    }
  }

  /// A value that is computed in linear layout is computed where the caller wants it; everything
  /// else is copied there at the end.
  void placeOutputs() {
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      ValueId value = graph_.outputs[i].value;
      Layout linear = Layout::linear(info(value).type);
      int buffer = static_cast<int>(graph_.inputs.size() + i) + 1;
      int source = copiesOf_[static_cast<std::size_t>(value)].front();
      for (int index : copiesOf_[static_cast<std::size_t>(value)])
        if (copy(index).layout == linear) source = index;
      if (copy(source).layout == linear && copy(source).buffer == 0 &&
          mayLieAtCaller(linear.type)) {
        copy(source).buffer = buffer;
        copy(source).movable = false;
        continue;
      }
      int made = addReformat(source, linear);
      copy(made).buffer = buffer;
      copy(made).movable = false;
    }
  }

  /// Where the nodes of a region are views, puts the inner tensor into the outer one if nothing
  /// speaks against it.
  void placeViews(const Action& action) {
    const Candidate& chosen = candidate(action);
    if (chosen.nodes.size() != 1) return;
    const Node& node = graph_.node(chosen.nodes.front());
    std::vector<Placement> placements = placementsOf(action);
    for (const Placement& p : placements) placeWholeInside(p, placements);
    for (const Placement& p : placements)
      if (copy(p.inner).movable && copy(p.inner).layout == copy(p.outer).layout)
        putInside(p.inner, p.outer, p.offset);
    if (!node.inputs.empty() && node.kind->reshapes(node.attributes.get(), info(node.inputs[0]))) {
      int in = action.inputs[0], out = action.outputs[0];
      bool linear = copy(in).layout.isLinear() && copy(out).layout.isLinear();
      if (copy(out).movable && linear && isDense(in)) {
        copy(out).parent = in;
        copy(out).reshaped = true;
        copy(out).movable = false;
        // The bytes must stay dense: what is under another shape can no longer be put inside a
        // larger tensor.
        copy(root(in)).movable = false;
      }
    }
  }

  /// Where a view layer says that one tensor should lie inside another.
  struct Placement {
    int inner;
    int outer;
    Dims offset;
  };

  std::vector<Placement> placementsOf(const Action& action) const {
    const Candidate& chosen = candidate(action);
    const Node& node = graph_.node(chosen.nodes.front());
    std::vector<TensorInfo> inputs, outputs;
    for (ValueId id : node.inputs) inputs.push_back(info(id));
    for (ValueId id : node.outputs) outputs.push_back(info(id));
    std::vector<Placement> placements;
    for (const BoxView& box : node.kind->boxes(node.attributes.get(), inputs, outputs)) {
      auto input = std::find(chosen.inputs.begin(), chosen.inputs.end(),
                             node.inputs[static_cast<std::size_t>(box.input)]);
      int in = action.inputs[static_cast<std::size_t>(input - chosen.inputs.begin())];
      int out = action.outputs[static_cast<std::size_t>(box.output)];
      if (box.outputInsideInput)
        placements.push_back({out, in, box.offset});
      else
        placements.push_back({in, out, box.offset});
    }
    return placements;
  }

  void putInside(int inner, int outer, const Dims& offset) {
    copy(inner).parent = outer;
    copy(inner).offset = offset;
    copy(inner).movable = false;
  }

  /// Where the inner tensor is a slice of a larger one, as the halves of merged sibling
  /// convolutions are, tries to put the larger one into the outer tensor as a whole, so that the
  /// slice comes to lie right. Its other slices may then share their place with what is
  /// concatenated, as long as they are read for the last time before that is written.
  void placeWholeInside(const Placement& p, const std::vector<Placement>& placements) {
    const Copy& slice = copy(p.inner);
    int whole = slice.parent;
    if (whole == kNone || slice.reshaped || whole == p.outer || !copy(whole).movable ||
        !(copy(whole).layout == copy(p.outer).layout))
      return;
    const Dims &size = info(copy(whole).value).dims, &room = info(copy(p.outer).value).dims;
    Dims offset = p.offset;
    for (int axis = 0; axis < size.rank(); ++axis) {
      offset[axis] -= slice.offset[axis];
      if (offset[axis] < 0 || offset[axis] + size[axis] > room[axis]) return;
    }
    for (const Placement& other : placements) {
      if (other.inner == p.inner) {
        if (!(other.offset == p.offset)) return;  // the same tensor twice
        continue;
      }
      bool inWhole = copy(other.inner).parent == whole;
      if (!inWhole && !copy(other.inner).movable) return;
      if (inWhole ? !liesAt(other, offset) : !writtenAfterReads(other.inner, whole, p.inner))
        return;
    }
    putInside(whole, p.outer, offset);
  }

  /// Whether a slice comes to lie where it should once what it is a slice of is put at `offset`.
  bool liesAt(const Placement& slice, Dims offset) const {
    for (int axis = 0; axis < offset.rank(); ++axis) offset[axis] += copy(slice.inner).offset[axis];
    return offset == slice.offset;
  }

  /// Whether a tensor is produced by one step, after all reads of `whole` other than through its
  /// slice `kept`.
  bool writtenAfterReads(int written, int whole, int kept) const {
    int writer = kNone, lastRead = kNone;
    for (int step = 0; step < static_cast<int>(actions_.size()); ++step) {
      const Action& action = actions_[static_cast<std::size_t>(step)];
      for (int index : action.outputs) {
        if (index == written) writer = step;
        // What is put together out of parts is written by all of them.
        if (copy(index).parent == written) return false;
      }
      bool slices = action.outputs.size() == 1 && copy(action.outputs[0]).parent == whole;
      if (slices) continue;
      for (int index : action.inputs)
        if (isInside(index, whole) && !isInside(index, kept)) lastRead = step;
    }
    return writer != kNone && writer > lastRead;
  }

  bool isInside(int index, int outer) const {
    for (; index != kNone; index = copy(index).parent)
      if (index == outer) return true;
    return false;
  }

  /// Whether one copy lies in another at an offset, directly or by way of others.
  bool liesInside(const Placement& p) const {
    Dims offset = Dims::filled(p.offset.rank(), 0);
    int index = p.inner;
    for (; index != p.outer && copy(index).parent != kNone && !copy(index).reshaped;
         index = copy(index).parent)
      for (int axis = 0; axis < offset.rank(); ++axis) offset[axis] += copy(index).offset[axis];
    return index == p.outer && offset == p.offset;
  }

  int root(int index) const {
    while (copy(index).parent != kNone) index = copy(index).parent;
    return index;
  }

  bool isDense(int index) const {
    for (; copy(index).parent != kNone; index = copy(index).parent)
      if (!copy(index).reshaped) return false;
    return true;
  }

  /// The copy as it lies in memory, with room for the whole batch or for a part of it.
  BufferView placeOf(int index, const ShapeTable& shapes) const {
    const Copy& c = copy(index);
    const Dims& dims = shapes.values[static_cast<std::size_t>(c.value)].dims;
    if (c.parent == kNone)
      return {c.buffer, c.byteOffset, c.layout.type, dims, denseStrides(c.layout, dims)};
    BufferView outer = placeOf(c.parent, shapes);
    if (c.reshaped)
      return {outer.buffer, outer.byteOffset, c.layout.type, dims, denseStrides(c.layout, dims)};
    std::int64_t elements = 0;
    for (int axis = 0; axis < dims.rank(); ++axis) elements += c.offset[axis] * outer.strides[axis];
    return {outer.buffer,
            outer.byteOffset + static_cast<std::size_t>(elements) * sizeOf(c.layout.type),
            c.layout.type, dims, outer.strides};
  }

  /// What a step that works on a part of the batch sees of a copy.
  BufferView view(int index, const Part& part) {
    if (copy(root(index)).ofLane) return placeOf(index, shapes_.of(part.images));
    BufferView whole = placeOf(index, shapes_.whole());
    if (part.images == shapes_.batch() || !shapes_.isBatched(copy(index).value)) return whole;
    whole.byteOffset +=
        static_cast<std::size_t>(part.first * whole.strides[0]) * sizeOf(whole.type);
    whole.dims[0] = part.images;
    return whole;
  }

  /// A view layer whose tensors all lie where they should has nothing to do.
  void dropIdleActions() {
    std::erase_if(actions_, [&](const Action& action) {
      if (action.region == kNone || candidate(action).nodes.size() != 1) return false;
      std::vector<Placement> placements = placementsOf(action);
      if (placements.empty()) return copy(action.outputs[0]).reshaped;
      return std::all_of(placements.begin(), placements.end(),
                         [&](const Placement& p) { return liesInside(p); });
    });
  }

  /// Decides which steps all workers share, and which run in lanes.
  void divideBatch() {
    const auto count = static_cast<int>(actions_.size());
    segments_ = {{0, count, shapes_.batch()}};
    if (order_ == BatchOrder::kWhole || backend_.nearBytes() == 0 || !shapes_.divide()) return;
    std::vector<BatchAction> actions;
    for (const Action& action : actions_) actions.push_back(describe(action));
    std::vector<bool> external;
    for (const Copy& c : copies_) external.push_back(c.buffer != 0);
    segments_ = planBatch(actions, external, {shapes_.batch(), workers_, backend_.nearBytes()});
  }

  bool inLanes(const BatchSegment& segment) const { return segment.images < shapes_.batch(); }

  BatchAction describe(const Action& action) const {
    BatchAction described;
    auto access = [&](int index) {
      const Copy& c = copy(index);
      double bytes = static_cast<double>(info(c.value).dims.volume()) *
                     static_cast<double>(sizeOf(c.layout.type));
      return BatchAction::Access{root(index), bytes / static_cast<double>(shapes_.batch())};
    };
    for (int index : action.inputs) described.reads.push_back(access(index));
    for (int index : action.outputs) described.writes.push_back(access(index));
    if (action.region == kNone) {
      described.imageByImage = shapes_.isBatched(copy(action.inputs[0]).value);
      return described;
    }
    described.imageByImage = true;
    described.flops = candidate(action).flops / static_cast<double>(optBatch_);
    for (NodeId id : candidate(action).nodes) {
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
        for (const auto* list : {&actionAt(step).inputs, &actionAt(step).outputs})
          for (int index : *list) {
            Copy& owner = copy(root(index));
            if (owner.first < 0) owner.first = step;
            owner.last = step;
            owner.ofLane = inLanes(segment) && owner.buffer == 0 && owner.first >= segment.first;
          }
    for (const BatchSegment& segment : segments_)
      for (Copy& c : copies_) {
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
    std::vector<Copy*> owners;
    std::vector<MemoryRequest> requests;
    for (Copy& c : copies_) {
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
    for (Copy& c : copies_)
      if (c.ofLane) c.buffer = static_cast<int>(program_.io.size()) + 1;
  }

  void bindSegment(const BatchSegment& segment) {
    Part part;
    for (; part.first < shapes_.batch(); part.first += part.images) {
      part.images = std::min(segment.images, shapes_.batch() - part.first);
      if (inLanes(segment)) ++part.lane;
      for (int step = segment.first; step < segment.end; ++step) bindAction(actionAt(step), part);
    }
  }

  void bindAction(const Action& action, const Part& part) {
    BoundStep bound;
    bound.lane = part.lane;
    const int workers = part.lane == BoundStep::kNoLane ? workers_ : 1;
    std::vector<BufferView> inputs, outputs;
    for (int index : action.inputs) inputs.push_back(view(index, part));
    for (int index : action.outputs) outputs.push_back(view(index, part));
    for (std::size_t i = 0; i < outputs.size(); ++i)
      bound.outputs.emplace_back(graph_.value(copy(action.outputs[i]).value).name, outputs[i]);
    if (!inputs.empty()) bound.type = inputs[0].type;
    if (action.region == kNone) {
      bound.layers = fmt::format(
          "reformat {} ({} -> {})", graph_.value(copy(action.inputs[0]).value).name,
          toString(copy(action.inputs[0]).layout), toString(copy(action.outputs[0]).layout));
      bound.tactic = "reformat";
      bound.bytes = 2.0 * static_cast<double>(inputs[0].dims.volume()) *
                    static_cast<double>(sizeOf(inputs[0].type));
      bound.step = backend_.bindReformat(inputs[0], outputs[0], workers);
    } else {
      const Candidate& chosen = candidate(action);
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
  std::int64_t optBatch_ = 1;  ///< what candidates' operations were counted for
  Program program_;
  std::vector<BatchSegment> segments_;
  std::vector<Copy> copies_;
  std::vector<std::vector<int>> copiesOf_;
  std::vector<Action> actions_;
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
