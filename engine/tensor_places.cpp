#include "engine/tensor_places.h"

#include <algorithm>

namespace layerwise {

TensorPlaces::TensorPlaces(const Graph& graph, const Selection& selection, const ShapeTable& shapes)
    : graph_(graph), selection_(selection), shapes_(shapes) {
  copiesOf_.resize(graph.values.size());
  makeCopies();
  placeOutputs();
  for (const ProgramAction& action : actions_)
    if (action.region != kNone) placeViews(action);
  for (int step = 0; step < static_cast<int>(actions_.size()); ++step) replaceInput(step);
  dropIdleActions();
}

int TensorPlaces::addCopy(ValueId value, const Layout& layout) {
  TensorCopy& made = copies_.emplace_back();
  made.value = value;
  made.layout = layout;
  copiesOf_[static_cast<std::size_t>(value)].push_back(static_cast<int>(copies_.size()) - 1);
  return static_cast<int>(copies_.size()) - 1;
}

int TensorPlaces::copyIn(ValueId value, const Layout& layout) {
  auto& list = copiesOf_[static_cast<std::size_t>(value)];
  for (int index : list)
    if (copy(index).layout == layout) return index;
  return addReformat(list.front(), layout);
}

int TensorPlaces::addReformat(int from, Layout layout) {
  int made = addCopy(copy(from).value, layout);
  actions_.push_back({kNone, {from}, {made}});
  ++reformats_;
  return made;
}

bool TensorPlaces::mayLieAtCaller(DataType type) {
  return type != DataType::kUInt8;
}

void TensorPlaces::makeCopies() {
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
    ProgramAction action{static_cast<int>(r), {}, {}};
    for (std::size_t i = 0; i < chosen.inputs.size(); ++i)
      action.inputs.push_back(copyIn(chosen.inputs[i], chosen.inputLayouts[i]));
    for (std::size_t i = 0; i < chosen.outputs.size(); ++i)
      action.outputs.push_back(addCopy(chosen.outputs[i], chosen.outputLayouts[i]));
    actions_.push_back(std::move(action));
  }
}

void TensorPlaces::placeOutputs() {
  for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
    ValueId value = graph_.outputs[i].value;
    Layout linear = Layout::linear(info(value).type);
    int buffer = static_cast<int>(graph_.inputs.size() + i) + 1;
    int source = copiesOf_[static_cast<std::size_t>(value)].front();
    for (int index : copiesOf_[static_cast<std::size_t>(value)])
      if (copy(index).layout == linear) source = index;
    if (copy(source).layout == linear && copy(source).buffer == 0 && mayLieAtCaller(linear.type)) {
      copy(source).buffer = buffer;
      copy(source).movable = false;
      continue;
    }
    int made = addReformat(source, linear);
    copy(made).buffer = buffer;
    copy(made).movable = false;
  }
}

void TensorPlaces::placeViews(const ProgramAction& action) {
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

std::vector<TensorPlaces::Placement> TensorPlaces::placementsOf(const ProgramAction& action) const {
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

void TensorPlaces::putInside(int inner, int outer, const Dims& offset) {
  copy(inner).parent = outer;
  copy(inner).offset = offset;
  copy(inner).movable = false;
}

void TensorPlaces::placeWholeInside(const Placement& p, const std::vector<Placement>& placements) {
  const TensorCopy& slice = copy(p.inner);
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
    if (inWhole ? !liesAt(other, offset) : !writtenAfterReads(other, whole, offset, p.inner))
      return;
  }
  putInside(whole, p.outer, offset);
}

bool TensorPlaces::liesAt(const Placement& slice, Dims offset) const {
  for (int axis = 0; axis < offset.rank(); ++axis) offset[axis] += copy(slice.inner).offset[axis];
  return offset == slice.offset;
}

bool TensorPlaces::replacesSlice(const ProgramAction& action, std::size_t input,
                                 const Placement& written, int whole, const Dims& offset) const {
  if (action.region == kNone || action.outputs[0] != written.inner ||
      candidate(action).replacedInput != static_cast<int>(input))
    return false;
  const TensorCopy &slice = copy(action.inputs[input]), &output = copy(written.inner);
  return slice.parent == whole && slice.layout == output.layout &&
         info(slice.value).dims == info(output.value).dims &&
         liesAt({action.inputs[input], written.outer, written.offset}, offset);
}

bool TensorPlaces::writtenAfterReads(const Placement& written, int whole, const Dims& offset,
                                     int kept) const {
  int writer = kNone, lastRead = kNone;
  for (int step = 0; step < static_cast<int>(actions_.size()); ++step) {
    const ProgramAction& action = actions_[static_cast<std::size_t>(step)];
    for (int index : action.outputs) {
      if (index == written.inner) writer = step;
      // What is put together out of parts is written by all of them.
      if (copy(index).parent == written.inner) return false;
    }
    bool slices = action.outputs.size() == 1 && copy(action.outputs[0]).parent == whole;
    if (slices) continue;
    for (std::size_t i = 0; i < action.inputs.size(); ++i) {
      const int index = action.inputs[i];
      if (isInside(index, whole) && !isInside(index, kept) &&
          !replacesSlice(action, i, written, whole, offset))
        lastRead = step;
    }
  }
  return writer != kNone && writer > lastRead;
}

bool TensorPlaces::isInside(int index, int outer) const {
  for (; index != kNone; index = copy(index).parent)
    if (index == outer) return true;
  return false;
}

bool TensorPlaces::liesInside(const Placement& p) const {
  Dims offset = Dims::filled(p.offset.rank(), 0);
  int index = p.inner;
  for (; index != p.outer && copy(index).parent != kNone && !copy(index).reshaped;
       index = copy(index).parent)
    for (int axis = 0; axis < offset.rank(); ++axis) offset[axis] += copy(index).offset[axis];
  return index == p.outer && offset == p.offset;
}

void TensorPlaces::replaceInput(int step) {
  const ProgramAction& action = actionAt(step);
  if (action.region == kNone || candidate(action).replacedInput == kNone) return;
  const auto replaced = static_cast<std::size_t>(candidate(action).replacedInput);
  const int in = action.inputs[replaced], out = action.outputs[0];
  if (!copy(out).movable || !(copy(in).layout == copy(out).layout) ||
      !(info(copy(in).value).dims == info(copy(out).value).dims) || !isWhole(in) ||
      copy(root(in)).buffer != 0)
    return;
  for (std::size_t i = 0; i < action.inputs.size(); ++i)
    if (i != replaced && root(action.inputs[i]) == root(in)) return;
  for (int later = step + 1; later < static_cast<int>(actions_.size()); ++later)
    for (int index : actionAt(later).inputs)
      if (root(index) == root(in)) return;
  putInside(out, in, Dims::filled(info(copy(out).value).dims.rank(), 0));
}

bool TensorPlaces::isWhole(int index) const {
  const Dims& dims = info(copy(index).value).dims;
  for (; copy(index).parent != kNone; index = copy(index).parent)
    if (copy(index).reshaped || !(info(copy(copy(index).parent).value).dims == dims)) return false;
  return true;
}

int TensorPlaces::root(int index) const {
  while (copy(index).parent != kNone) index = copy(index).parent;
  return index;
}

bool TensorPlaces::isDense(int index) const {
  for (; copy(index).parent != kNone; index = copy(index).parent)
    if (!copy(index).reshaped) return false;
  return true;
}

BufferView TensorPlaces::placeOf(int index, const ShapeTable& shapes) const {
  const TensorCopy& c = copy(index);
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

void TensorPlaces::dropIdleActions() {
  std::erase_if(actions_, [&](const ProgramAction& action) {
    if (action.region == kNone || candidate(action).nodes.size() != 1) return false;
    std::vector<Placement> placements = placementsOf(action);
    if (placements.empty()) return copy(action.outputs[0]).reshaped;
    return std::all_of(placements.begin(), placements.end(),
                       [&](const Placement& p) { return liesInside(p); });
  });
}

}  // namespace layerwise
