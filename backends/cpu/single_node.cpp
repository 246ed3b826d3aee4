#include "backends/cpu/single_node.h"

#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

// What plain code does a second on one core, roughly.
constexpr double kFlopsPerSecond = 2e9;
constexpr double kBytesPerSecond = 5e9;
constexpr double kStepSeconds = 3e-6;

bool isCommonType(const TensorInfo& info) {
  DataType type = memoryType(info.type);
  return type == DataType::kFloat32 || type == DataType::kInt32 || type == DataType::kInt64 ||
         type == DataType::kBool;
}

template <class Test>
bool all(const NodeInfo& info, Test&& test) {
  return std::all_of(info.inputs.begin(), info.inputs.end(), test) &&
         std::all_of(info.outputs.begin(), info.outputs.end(), test);
}

template <class T, class Convert>
std::vector<float> converted(const ConstantData& weights, Convert&& convert) {
  std::vector<float> values(static_cast<std::size_t>(weights.count));
  std::transform(weights.as<T>(), weights.as<T>() + weights.count, values.begin(), convert);
  return values;
}

}  // namespace

NodeInfo::NodeInfo(const Graph& graph, const ShapeTable& shapes, NodeId id) : node(graph.node(id)) {
  for (ValueId value : node.inputs)
    inputs.push_back(shapes.values[static_cast<std::size_t>(value)]);
  for (ValueId value : node.outputs)
    outputs.push_back(shapes.values[static_cast<std::size_t>(value)]);
}

DataType memoryType(DataType type) {
  return isFloat(type) ? DataType::kFloat32 : type;
}

bool allFloat(const NodeInfo& info) {
  return all(info, [](const TensorInfo& tensor) { return isFloat(tensor.type); });
}

bool allCommonTypes(const NodeInfo& info) {
  return all(info, isCommonType);
}

std::vector<float> floatWeights(const ConstantData& weights) {
  auto plain = [](auto value) { return static_cast<float>(value); };
  switch (weights.type) {
    case DataType::kFloat32:
      return converted<float>(weights, plain);
    case DataType::kFloat16:
      return converted<std::uint16_t>(weights, halfToFloat);
    case DataType::kBFloat16:
      return converted<std::uint16_t>(weights, bfloat16ToFloat);
    case DataType::kInt8:
      return converted<std::int8_t>(weights, plain);
    case DataType::kUInt8:
    case DataType::kBool:
      return converted<std::uint8_t>(weights, plain);
    case DataType::kInt32:
      return converted<std::int32_t>(weights, plain);
    case DataType::kInt64:
      return converted<std::int64_t>(weights, plain);
  }
  return {};
}

void addSingleNodeCandidates(const Tactic& tactic, const MatchContext& context, NodeId node,
                             const NodeInfo& info, double flops, bool channelsLast, int inputs,
                             std::vector<Candidate>& candidates) {
  Candidate candidate;
  candidate.tactic = &tactic;
  candidate.nodes = {node};
  candidate.outputs = info.node.outputs;
  candidate.flops = flops;
  auto count = std::min(info.inputs.size(), static_cast<std::size_t>(inputs));
  candidate.inputs.assign(info.node.inputs.begin(),
                          info.node.inputs.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<Layout> inputsLast, outputsLast;
  bool some = false;
  auto addLayouts = [&](const TensorInfo& tensor, std::vector<Layout>& linear,
                        std::vector<Layout>& last) {
    DataType type = memoryType(tensor.type);
    // An operand of another rank broadcasts: its axis 1 is not the channels.
    int rank = tensor.dims.rank();
    bool spatial = rank >= 3 && rank <= 5 && rank == info.outputs[0].dims.rank();
    some = some || spatial;
    linear.push_back(Layout::linear(type));
    last.push_back(spatial ? Layout::channelsLast(type, rank) : Layout::linear(type));
    candidate.bytes +=
        static_cast<double>(tensor.dims.volume()) * static_cast<double>(sizeOf(type));
  };
  for (std::size_t i = 0; i < count; ++i)
    addLayouts(info.inputs[i], candidate.inputLayouts, inputsLast);
  for (const TensorInfo& output : info.outputs)
    addLayouts(output, candidate.outputLayouts, outputsLast);
  for (const ConstantData& weights : info.node.weights)
    candidate.bytes += static_cast<double>(weights.count) * sizeof(float);
  candidate.seconds = kStepSeconds + std::max(flops / (kFlopsPerSecond * context.workers),
                                              candidate.bytes / kBytesPerSecond);
  candidates.push_back(candidate);
  if (!channelsLast || !some) return;
  candidate.inputLayouts = std::move(inputsLast);
  candidate.outputLayouts = std::move(outputsLast);
  candidates.push_back(std::move(candidate));
}

Dims broadcastStrides(const BufferView& view, const Dims& to) {
  Dims strides = Dims::filled(to.rank(), 0);
  int missing = to.rank() - view.dims.rank();
  for (int axis = 0; axis < view.dims.rank(); ++axis)
    strides[axis + missing] = view.dims[axis] == 1 ? 0 : view.strides[axis];
  return strides;
}

}  // namespace layerwise::cpu
