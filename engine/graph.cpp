#include "engine/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "layerwise/error.h"

namespace layerwise {

ConstantData ConstantData::copyOf(DataType type, const void* values, std::int64_t count) {
  constexpr std::align_val_t kAlignment{64};
  constexpr std::size_t kOverrun = 64;  // a reader may overrun by as much
  std::size_t size = static_cast<std::size_t>(count) * sizeOf(type);
  auto* memory = static_cast<std::byte*>(::operator new(size + kOverrun, kAlignment));
  if (size) std::memcpy(memory, values, size);
  std::memset(memory + size, 0, kOverrun);
  return {type, count, std::shared_ptr<const std::byte>(memory, [](const std::byte* p) {
            ::operator delete(const_cast<std::byte*>(p), kAlignment);
          })};
}

ValueId Graph::addValue(std::string valueName) {
  values.push_back({.name = std::move(valueName)});
  return static_cast<ValueId>(values.size()) - 1;
}

NodeId Graph::addNode(Node added) {
  auto id = static_cast<NodeId>(nodes.size());
  for (ValueId input : added.inputs) value(input).consumers.push_back(id);
  for (std::size_t i = 0; i < added.outputs.size(); ++i) {
    value(added.outputs[i]).producer = id;
    value(added.outputs[i]).producerOutput = static_cast<int>(i);
  }
  nodes.push_back(std::move(added));
  return id;
}

bool Graph::isOutput(ValueId id) const {
  return std::any_of(outputs.begin(), outputs.end(),
                     [&](const GraphOutput& output) { return output.value == id; });
}

void Graph::replaceUses(ValueId from, ValueId to) {
  for (NodeId consumer : value(from).consumers) {
    std::replace(node(consumer).inputs.begin(), node(consumer).inputs.end(), from, to);
    value(to).consumers.push_back(consumer);
  }
  value(from).consumers.clear();
  for (GraphOutput& output : outputs)
    if (output.value == from) output.value = to;
}

void Graph::connect() {
  auto check = [&](ValueId id, const std::string& where) {
    if (id < 0 || id >= static_cast<ValueId>(values.size()))
      throw Error(ErrorCode::kBadFile, fmt::format("[graph {}] {} refers to value {} of {}", name,
                                                   where, id, values.size()));
  };
  std::vector<bool> defined(values.size(), false);
  for (Value& v : values) {
    v.producer = kNone;
    v.consumers.clear();
  }
  auto define = [&](ValueId id, const std::string& where) {
    check(id, where);
    if (defined[static_cast<std::size_t>(id)])
      throw Error(ErrorCode::kBadFile, fmt::format("[graph {}] {} writes value '{}' a second time",
                                                   name, where, value(id).name));
    defined[static_cast<std::size_t>(id)] = true;
  };
  for (const GraphInput& input : inputs) define(input.value, "an input");
  for (NodeId id = 0; id < static_cast<NodeId>(nodes.size()); ++id) {
    if (!isAlive(id)) continue;
    for (ValueId input : node(id).inputs) {
      check(input, node(id).name);
      if (!defined[static_cast<std::size_t>(input)])
        throw Error(ErrorCode::kBadFile,
                    fmt::format("[graph {}] {} reads value '{}' before it is written", name,
                                node(id).name, value(input).name));
      value(input).consumers.push_back(id);
    }
    for (std::size_t i = 0; i < node(id).outputs.size(); ++i) {
      define(node(id).outputs[i], node(id).name);
      value(node(id).outputs[i]).producer = id;
      value(node(id).outputs[i]).producerOutput = static_cast<int>(i);
    }
  }
  for (const GraphOutput& output : outputs) {
    check(output.value, "output " + output.name);
    if (!defined[static_cast<std::size_t>(output.value)])
      throw Error(ErrorCode::kBadFile,
                  fmt::format("[graph {}] output '{}' is never written", name, output.name));
  }
}

void Graph::compact() {
  std::vector<bool> needed(values.size(), false);
  for (const GraphOutput& output : outputs) needed[static_cast<std::size_t>(output.value)] = true;
  for (const GraphInput& input : inputs) needed[static_cast<std::size_t>(input.value)] = true;
  std::vector<Node> kept;
  for (NodeId id = static_cast<NodeId>(nodes.size()) - 1; id >= 0; --id) {
    if (!isAlive(id)) continue;
    Node& n = node(id);
    if (std::none_of(n.outputs.begin(), n.outputs.end(),
                     [&](ValueId v) { return needed[static_cast<std::size_t>(v)]; }))
      continue;
    for (ValueId v : n.inputs) needed[static_cast<std::size_t>(v)] = true;
    for (ValueId v : n.outputs) needed[static_cast<std::size_t>(v)] = true;
    kept.push_back(std::move(n));
  }
  std::reverse(kept.begin(), kept.end());
  nodes = std::move(kept);
  std::vector<ValueId> renumbered(values.size(), kNone);
  std::vector<Value> keptValues;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!needed[i]) continue;
    renumbered[i] = static_cast<ValueId>(keptValues.size());
    keptValues.push_back(std::move(values[i]));
  }
  values = std::move(keptValues);
  auto renumber = [&](ValueId& id) { id = renumbered[static_cast<std::size_t>(id)]; };
  for (Node& n : nodes) {
    std::for_each(n.inputs.begin(), n.inputs.end(), renumber);
    std::for_each(n.outputs.begin(), n.outputs.end(), renumber);
  }
  for (GraphInput& input : inputs) renumber(input.value);
  for (GraphOutput& output : outputs) renumber(output.value);
  connect();
}

}  // namespace layerwise
