#include <algorithm>
#include <map>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

/// A convolution, and the activation after it where there is one.
struct Sibling {
  NodeId convolution = kNone;
  NodeId activation = kNone;
};

bool isPointConvolution(const Node& node) {
  auto* a = node.as<Convolution>();
  return a && a->groups == 1 &&
         std::all_of(a->kernel.begin(), a->kernel.end(), [](std::int64_t k) { return k == 1; }) &&
         weightOf(node, 0).type == DataType::kFloat32 &&
         weightOf(node, 1).type == DataType::kFloat32;
}

/// The activation that can be computed with `convolution`, and whether a slice between the
/// convolution and its readers hinders no other fusion.
bool describe(const Graph& graph, Sibling& sibling) {
  ValueId output = graph.node(sibling.convolution).outputs[0];
  for (NodeId reader : graph.value(output).consumers) {
    const Node& node = graph.node(reader);
    if (node.as<Activation>() && hasOneReader(graph, output))
      sibling.activation = reader;
    else if (node.as<ElementWise>() || node.kind->traits(node.attributes.get()).pointwise)
      return false;
  }
  return true;
}

/// What siblings must have in common.
std::string signature(const Graph& graph, const Sibling& sibling) {
  const Node& node = graph.node(sibling.convolution);
  Convolution attributes = *node.as<Convolution>();
  attributes.outputs = 0;
  auto precision = [](const Node& n) { return n.precision ? toString(*n.precision) : ""; };
  std::string text = toString(node.kind->attributes->toFields(&attributes));
  text += fmt::format(" precision={}", precision(node));
  if (sibling.activation == kNone) return text;
  const Node& activation = graph.node(sibling.activation);
  return text +
         fmt::format(" activation: {} precision={}",
                     toString(activation.kind->attributes->toFields(activation.attributes.get())),
                     precision(activation));
}

std::vector<Sibling> findSiblings(const Graph& graph, ValueId input) {
  std::map<std::string, std::vector<Sibling>> groups;
  for (NodeId reader : graph.value(input).consumers) {
    if (!isPointConvolution(graph.node(reader))) continue;
    Sibling sibling{reader};
    if (describe(graph, sibling)) groups[signature(graph, sibling)].push_back(sibling);
  }
  for (auto& [text, siblings] : groups)
    if (siblings.size() > 1) return siblings;
  return {};
}

void append(std::vector<float>& values, const ConstantData& weight, std::int64_t count) {
  if (weight.count)
    values.insert(values.end(), weight.as<float>(), weight.as<float>() + weight.count);
  else
    values.resize(values.size() + static_cast<std::size_t>(count));
}

Node mergeConvolutions(const Graph& graph, const std::vector<Sibling>& siblings) {
  Node merged = graph.node(siblings[0].convolution);
  Convolution attributes = *merged.as<Convolution>();
  attributes.outputs = 0;
  merged.origin.clear();
  std::vector<float> kernel, bias;
  for (const Sibling& sibling : siblings) {
    const Node& node = graph.node(sibling.convolution);
    std::int64_t outputs = node.as<Convolution>()->outputs;
    attributes.outputs += outputs;
    append(kernel, weightOf(node, 0), 0);
    append(bias, weightOf(node, 1), outputs);
    merged.origin.insert(merged.origin.end(), node.origin.begin(), node.origin.end());
  }
  merged.weights = {ConstantData::of(DataType::kFloat32, kernel),
                    ConstantData::of(DataType::kFloat32, bias)};
  merged.setAttributes(attributes);
  return merged;
}

Node mergeActivations(const Graph& graph, const std::vector<Sibling>& siblings) {
  Node merged = graph.node(siblings[0].activation);
  merged.origin.clear();
  for (const Sibling& sibling : siblings) {
    const std::vector<std::string>& origin = graph.node(sibling.activation).origin;
    merged.origin.insert(merged.origin.end(), origin.begin(), origin.end());
  }
  return merged;
}

Node channelSlice(const std::string& name, int rank, std::int64_t start, std::int64_t size) {
  Node node{.kind = &LayerRegistry::instance().at(Slice::kKind), .name = name};
  Slice slice{.start = Dims::filled(rank, 0), .size = Dims::filled(rank, -1)};
  slice.start[1] = start;
  slice.size[1] = size;
  node.setAttributes(slice);
  return node;
}

void merge(Graph& graph, std::vector<Sibling> siblings) {
  std::sort(siblings.begin(), siblings.end(),
            [](const Sibling& a, const Sibling& b) { return a.convolution < b.convolution; });
  bool activated = siblings[0].activation != kNone;
  std::string joined;
  for (const Sibling& sibling : siblings)
    joined +=
        (joined.empty() ? "" : "|") + graph.value(graph.node(sibling.convolution).outputs[0]).name;

  // All of it goes where the first convolution is: its input is known there, and every reader comes
  // later.
  std::vector<Node> added;
  added.push_back(mergeConvolutions(graph, siblings));
  added.back().outputs = {graph.addValue(joined)};
  if (activated) {
    Node activation = mergeActivations(graph, siblings);
    activation.inputs = added.back().outputs;
    activation.outputs = {graph.addValue(joined + ":" + activation.name)};
    added.push_back(std::move(activation));
  }
  ValueId whole = added.back().outputs[0];
  std::int64_t start = 0;
  for (const Sibling& sibling : siblings) {
    const Node& convolution = graph.node(sibling.convolution);
    const Node& last = activated ? graph.node(sibling.activation) : convolution;
    auto* attributes = convolution.as<Convolution>();
    Node slice = channelSlice(last.name + ".slice", attributes->kernel.rank() + 2, start,
                              attributes->outputs);
    slice.inputs = {whole};
    slice.outputs = last.outputs;
    start += attributes->outputs;
    added.push_back(std::move(slice));
  }
  NodeId place = siblings[0].convolution;
  for (const Sibling& sibling : siblings) {
    graph.node(sibling.convolution) = Node();
    if (activated) graph.node(sibling.activation) = Node();
  }
  graph.nodes.insert(graph.nodes.begin() + place, std::make_move_iterator(added.begin()),
                     std::make_move_iterator(added.end()));
  graph.connect();
}

}  // namespace

bool mergeSiblings(Graph& graph) {
  bool changed = false;
  auto values = static_cast<ValueId>(graph.values.size());
  for (ValueId value = 0; value < values; ++value)
    for (auto siblings = findSiblings(graph, value); !siblings.empty();
         siblings = findSiblings(graph, value)) {
      merge(graph, std::move(siblings));
      changed = true;
    }
  return changed;
}

}  // namespace layerwise
