#include <fmt/format.h>

#include "engine/checksum.h"
#include "engine/plan.h"
#include "engine/plan_file.h"
#include "files/file.h"
#include "layerwise/error.h"
#include "plan_generated.h"

namespace layerwise {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

template <class T, class In, class F>
auto vectorOf(FlatBufferBuilder& builder, const In& items, F&& store) {
  std::vector<Offset<T>> offsets;
  for (const auto& item : items) offsets.push_back(store(item));
  return builder.CreateVector(offsets);
}

template <class T>
std::pair<plan::FieldValue, Offset<void>> fieldValue(FlatBufferBuilder& builder, const T& value) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return {plan::FieldValue::Integer, plan::CreateInteger(builder, value).Union()};
  else if constexpr (std::is_same_v<T, double>)
    return {plan::FieldValue::Real, plan::CreateReal(builder, value).Union()};
  else if constexpr (std::is_same_v<T, std::string>)
    return {plan::FieldValue::Text, plan::CreateText(builder, builder.CreateString(value)).Union()};
  else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    return {plan::FieldValue::Integers,
            plan::CreateIntegers(builder, builder.CreateVector(value)).Union()};
  else
    return {plan::FieldValue::Reals,
            plan::CreateReals(builder, builder.CreateVector(value)).Union()};
}

Offset<plan::Field> writeField(FlatBufferBuilder& builder, const Field& field) {
  auto name = builder.CreateString(field.name);
  auto [type, value] =
      std::visit([&](const auto& v) { return fieldValue(builder, v); }, field.value);
  return plan::CreateField(builder, name, type, value);
}

Offset<plan::Node> writeNode(FlatBufferBuilder& builder, const Node& node, BlobWriter& blobs) {
  auto kind = builder.CreateString(node.kind->name);
  auto name = builder.CreateString(node.name);
  Fields own = node.kind->attributes->toFields(node.attributes.get());
  auto fields = vectorOf<plan::Field>(
      builder, own.all(), [&](const Field& field) { return writeField(builder, field); });
  std::vector<plan::Weight> weights;
  for (const ConstantData& data : node.weights) {
    std::size_t size = static_cast<std::size_t>(data.count) * sizeOf(data.type);
    weights.emplace_back(static_cast<int>(data.type), 0, data.count,
                         blobs.add(data.bytes.get(), size), checksum({data.bytes.get(), size}));
  }
  auto inputs = builder.CreateVector(node.inputs);
  auto outputs = builder.CreateVector(node.outputs);
  auto stored = builder.CreateVectorOfStructs(weights);
  auto origin = vectorOf<plan::Text>(builder, node.origin, [&](const std::string& layer) {
    return plan::CreateText(builder, builder.CreateString(layer));
  });
  return plan::CreateNode(builder, kind, name, fields, inputs, outputs, stored,
                          node.precision ? static_cast<int>(*node.precision) : -1, origin);
}

auto writeDims(FlatBufferBuilder& builder, const Dims& dims) {
  return builder.CreateVector(dims.begin(), static_cast<std::size_t>(dims.rank()));
}

Offset<plan::Input> writeInput(FlatBufferBuilder& builder, const GraphInput& input) {
  // A range says something about open dimensions only.
  const Dims& dims = input.info.dims;
  ShapeRange range = dims.isDynamic() ? input.range : ShapeRange{dims, dims, dims};
  auto stored = writeDims(builder, dims);
  auto min = writeDims(builder, range.min);
  auto opt = writeDims(builder, range.opt);
  auto max = writeDims(builder, range.max);
  return plan::CreateInput(builder, input.value, static_cast<int>(input.info.type), stored, min,
                           opt, max, builder.CreateVector(input.defaultValues));
}

void writeGraph(FlatBufferBuilder& builder, const Graph& graph, BlobWriter& blobs) {
  auto name = builder.CreateString(graph.name);
  auto metadata = vectorOf<plan::Metadata>(builder, graph.metadata, [&](const auto& item) {
    auto key = builder.CreateString(item.first);
    return plan::CreateMetadata(builder, key, builder.CreateString(item.second));
  });
  auto values = vectorOf<plan::Value>(builder, graph.values, [&](const Value& value) {
    plan::Range range;
    if (value.range) range = {value.range->first, value.range->second};
    return plan::CreateValue(builder, builder.CreateString(value.name),
                             value.range ? &range : nullptr);
  });
  auto nodes = vectorOf<plan::Node>(builder, graph.nodes, [&](const Node& node) {
    if (!node.kind)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[graph {}] is written before it is compact", graph.name));
    return writeNode(builder, node, blobs);
  });
  auto inputs = vectorOf<plan::Input>(
      builder, graph.inputs, [&](const GraphInput& input) { return writeInput(builder, input); });
  auto outputs = vectorOf<plan::Output>(builder, graph.outputs, [&](const GraphOutput& output) {
    return plan::CreateOutput(builder, output.value, builder.CreateString(output.name));
  });
  builder.Finish(plan::CreateGraph(builder, name, metadata, values, nodes, inputs, outputs,
                                   static_cast<int>(graph.numerics.floatType),
                                   graph.numerics.winograd, graph.numerics.tf32,
                                   graph.numerics.weightOnly));
}

Offset<plan::Section> writeTunedSection(FlatBufferBuilder& builder, const TunedSection& section,
                                        BlobWriter& packed) {
  auto device = builder.CreateString(section.device);
  auto profile = builder.CreateString(section.profile);
  auto choices = vectorOf<plan::Choice>(builder, section.choices, [&](const TunedChoice& choice) {
    auto region = builder.CreateVector(choice.region);
    auto tactic = builder.CreateString(choice.tactic);
    auto parameters = builder.CreateString(choice.parameters);
    return plan::CreateChoice(builder, region, tactic, choice.version, parameters,
                              builder.CreateString(choice.layouts));
  });
  auto blobs = vectorOf<plan::Blob>(builder, section.blobs, [&](const PackedBlob& blob) {
    auto name = builder.CreateString(blob.name);
    return plan::CreateBlob(builder, name, packed.add(blob.bytes.get(), blob.size), blob.size);
  });
  return plan::CreateSection(builder, device, section.threads, profile, choices, blobs);
}

void writeTuned(FlatBufferBuilder& builder, const std::vector<TunedSection>& tuned,
                BlobWriter& packed) {
  auto sections = vectorOf<plan::Section>(builder, tuned, [&](const TunedSection& section) {
    return writeTunedSection(builder, section, packed);
  });
  builder.Finish(plan::CreateTuned(builder, sections));
}

void write(const PlanContents& contents,
           const std::function<void(std::span<const std::byte>)>& sink) {
  FlatBufferBuilder graph, tuned;
  // A value that equals its default is stored too: what the file says never depends on the schema.
  graph.ForceDefaults(true);
  tuned.ForceDefaults(true);
  BlobWriter weights, packed;
  writeGraph(graph, contents.graph, weights);
  writeTuned(tuned, contents.tuned, packed);
  auto bytesOf = [](const FlatBufferBuilder& builder) -> PlanPieces {
    return {std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()))};
  };
  writePlanSections({bytesOf(graph), weights.finish(), bytesOf(tuned), packed.finish()}, sink);
}

}  // namespace

std::vector<std::byte> writePlan(const PlanContents& contents) {
  std::vector<std::byte> bytes;
  write(contents, [&](std::span<const std::byte> piece) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  });
  return bytes;
}

void writePlanFile(const PlanContents& contents, const std::string& path) {
  AtomicFile file(path, "engine");
  write(contents,
        [&](std::span<const std::byte> piece) { file.write(piece.data(), piece.size()); });
  file.commit();
}

}  // namespace layerwise
