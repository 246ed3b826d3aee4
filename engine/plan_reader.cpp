#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "engine/checksum.h"
#include "engine/plan.h"
#include "engine/plan_check.h"
#include "engine/plan_file.h"
#include "files/file.h"
#include "layerwise/error.h"
#include "plan_generated.h"
#include "weights/foreign_file.h"

namespace layerwise {
namespace {

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kBadFile, fmt::format(format, std::forward<Args>(args)...));
}

/// Reads one of the FlatBuffers. FlatBuffers may refer to a string, vector or table any number of
/// times, so that a small file could unfold into a huge graph: what is copied out of a section may
/// not exceed the section, which the writer, who shares nothing, never does.
class FlatReader {
 public:
  FlatReader(std::span<const std::byte> bytes, std::string_view section)
      : bytes_(bytes), section_(section), budget_(bytes.size()) {}

  template <class Root>
  const Root* root() const {
    constexpr flatbuffers::uoffset_t kMaxDepth = 16;
    // The smallest table is an offset to its vtable, in a vector that refers to it.
    auto maxTables = static_cast<flatbuffers::uoffset_t>(bytes_.size() / 8 + 1);
    auto* data = reinterpret_cast<const std::uint8_t*>(bytes_.data());
    bool fits = bytes_.size() >= 8 && bytes_.size() < FLATBUFFERS_MAX_BUFFER_SIZE;
    if (!fits ||
        !flatbuffers::Verifier(data, bytes_.size(), kMaxDepth, maxTables).VerifyBuffer<Root>())
      fail("has a malformed {} section", section_);
    return flatbuffers::GetRoot<Root>(data);
  }

  std::string text(const flatbuffers::String* string) {
    spend(string->size() + sizeof(flatbuffers::uoffset_t));
    return string->str();
  }
  /// The verifier checks where a vector begins, not that its elements are aligned to their size.
  template <class T>
  void expectAligned(const flatbuffers::Vector<T>* vector, std::size_t alignment) const {
    // An empty one has no elements, and the builder aligns none.
    if (vector->size() > 0 && reinterpret_cast<std::uintptr_t>(vector->Data()) % alignment != 0)
      fail("has a malformed {} section", section_);
  }
  template <class T>
  std::vector<T> numbers(const flatbuffers::Vector<T>* vector) {
    expectAligned(vector, alignof(T));
    spend(std::uint64_t{vector->size()} * sizeof(T));
    return {vector->begin(), vector->end()};
  }
  Dims dims(const flatbuffers::Vector<std::int64_t>* vector) {
    Dims dims;
    for (std::int64_t dim : numbers(vector)) dims.append(dim);
    return dims;
  }
  DataType type(int number) const {
    if (number < 0 || number > static_cast<int>(DataType::kBool))
      fail("has a data type {}, which there is not", number);
    return static_cast<DataType>(number);
  }

 private:
  void spend(std::uint64_t bytes) {
    if (bytes > budget_) fail("has a {} section that unfolds into more than it holds", section_);
    budget_ -= bytes;
  }

  std::span<const std::byte> bytes_;
  std::string_view section_;
  std::uint64_t budget_;
};

Fields readFields(FlatReader& reader,
                  const flatbuffers::Vector<flatbuffers::Offset<plan::Field>>* stored) {
  // A kind has a few attributes; setting one searches those before it.
  constexpr flatbuffers::uoffset_t kMaxFields = 4096;
  if (stored->size() > kMaxFields) fail("has a layer with {} attributes", stored->size());
  Fields fields;
  fields.reserve(stored->size());
  for (const plan::Field* field : *stored) {
    std::string name = reader.text(field->name());
    if (fields.find(name)) fail("has the attribute {} twice in one layer", name);
    if (auto* integer = field->value_as_Integer())
      fields.set(name, integer->value());
    else if (auto* real = field->value_as_Real())
      fields.set(name, real->value());
    else if (auto* text = field->value_as_Text())
      fields.set(name, reader.text(text->value()));
    else if (auto* integers = field->value_as_Integers())
      fields.set(name, reader.numbers(integers->value()));
    else if (auto* reals = field->value_as_Reals())
      fields.set(name, reader.numbers(reals->value()));
    else
      fail("has the attribute {} of an unknown type", name);
  }
  return fields;
}

std::vector<ConstantData> readWeights(FlatReader& reader, const plan::Node& stored,
                                      const std::string& layer, BlobReader& blobs,
                                      StoredConstants& constants) {
  reader.expectAligned(stored.weights(), alignof(plan::Weight));
  std::vector<ConstantData> weights;
  for (const plan::Weight* weight : *stored.weights()) {
    DataType type = reader.type(weight->type());
    std::int64_t count = weight->count();
    if (weight->reserved() != 0 || count < 0 ||
        count > std::numeric_limits<std::int64_t>::max() / 8)
      fail("{}: weights of {} values", layer, count);
    std::uint64_t size = static_cast<std::uint64_t>(count) * sizeOf(type);
    weights.push_back({type, count, blobs.take(weight->offset(), size, layer)});
    const std::byte* const bytes = weights.back().bytes.get();
    if (size > BlobReader::kCopied)
      constants.add(bytes, size, weight->checksum(), layer);
    else if (checksum({bytes, size}) != weight->checksum())
      fail("is damaged: the checksum of the weights of {} differs", layer);
  }
  return weights;
}

Node readNode(FlatReader& reader, const plan::Node& stored, BlobReader& blobs,
              StoredConstants& constants) {
  Node node;
  node.name = reader.text(stored.name());
  node.kind = &LayerRegistry::instance().at(reader.text(stored.kind()));
  std::string layer = fmt::format("[{} {}]", node.kind->name, node.name);
  node.inputs = reader.numbers(stored.inputs());
  node.outputs = reader.numbers(stored.outputs());
  node.weights = readWeights(reader, stored, layer, blobs, constants);
  if (stored.precision() != -1) node.precision = reader.type(stored.precision());
  for (const plan::Text* merged : *stored.origin())
    node.origin.push_back(reader.text(merged->value()));
  Fields fields = readFields(reader, stored.fields());
  std::vector<Weights> borrowed;
  for (const ConstantData& data : node.weights)
    borrowed.push_back({data.type, data.bytes.get(), data.count});
  try {
    node.attributes = node.kind->attributes->fromFields(fields, borrowed);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{} {}", layer, error.what()));
  }
  return node;
}

GraphInput readInput(FlatReader& reader, const plan::Input& stored) {
  return {
      .value = stored.value(),
      .info = {reader.type(stored.type()), reader.dims(stored.dims())},
      .range = {reader.dims(stored.min()), reader.dims(stored.opt()), reader.dims(stored.max())},
      .defaultValues = reader.numbers(stored.defaults())};
}

Graph readGraph(std::span<const std::byte> section, BlobReader& blobs, StoredConstants& constants) {
  FlatReader reader(section, "graph");
  const plan::Graph* stored = reader.root<plan::Graph>();
  Graph graph;
  graph.name = reader.text(stored->name());
  for (const plan::Metadata* item : *stored->metadata())
    graph.metadata[reader.text(item->key())] = reader.text(item->value());
  graph.numerics = {reader.type(stored->float_type()), stored->winograd(), stored->tf32(),
                    stored->weight_only()};
  if (!isFloat(graph.numerics.floatType))
    fail("computes its floating-point layers in {}", toString(graph.numerics.floatType));
  graph.values.reserve(stored->values()->size());
  for (const plan::Value* value : *stored->values()) {
    Value& added = graph.values.emplace_back();
    added.name = reader.text(value->name());
    if (auto* range = value->range()) added.range = std::pair(range->min(), range->max());
  }
  graph.nodes.reserve(stored->nodes()->size());
  for (const plan::Node* node : *stored->nodes())
    graph.nodes.push_back(readNode(reader, *node, blobs, constants));
  for (const plan::Input* input : *stored->inputs())
    graph.inputs.push_back(readInput(reader, *input));
  for (const plan::Output* output : *stored->outputs())
    graph.outputs.push_back({output->value(), reader.text(output->name())});
  return graph;
}

std::vector<TunedSection> readTuned(std::span<const std::byte> section, BlobReader& blobs,
                                    std::size_t nodes) {
  FlatReader reader(section, "tuned");
  std::vector<TunedSection> tuned;
  for (const plan::Section* stored : *reader.root<plan::Tuned>()->sections()) {
    TunedSection& added = tuned.emplace_back();
    added.device = reader.text(stored->device());
    added.threads = stored->threads();
    added.profile = reader.text(stored->profile());
    for (const plan::Choice* choice : *stored->choices()) {
      std::vector<NodeId> region = reader.numbers(choice->region());
      for (NodeId node : region)
        if (node < 0 || node >= static_cast<NodeId>(nodes))
          fail("has a choice for layer {} of {}", node, nodes);
      added.choices.push_back({std::move(region), reader.text(choice->tactic()), choice->version(),
                               reader.text(choice->parameters()), reader.text(choice->layouts())});
    }
    for (const plan::Blob* blob : *stored->blobs()) {
      std::string name = reader.text(blob->name());
      auto bytes = blobs.take(blob->offset(), blob->size(), name);
      added.blobs.push_back({std::move(name), std::move(bytes), blob->size()});
    }
  }
  return tuned;
}

PlanContents readSections(const std::shared_ptr<const std::byte>& bytes, std::size_t size,
                          StoredConstants& constants) {
  auto sections = readPlanSections({bytes.get(), size});
  auto section = [&](PlanSection which) { return sections[static_cast<std::size_t>(which)]; };
  PlanContents contents;
  BlobReader weights(section(PlanSection::kWeights), bytes);
  contents.graph = readGraph(section(PlanSection::kGraph), weights, constants);
  weights.finish();
  BlobReader packed(section(PlanSection::kPacked), bytes);
  contents.tuned = readTuned(section(PlanSection::kTuned), packed, contents.graph.nodes.size());
  packed.finish();
  checkGraph(contents.graph);
  return contents;
}

/// A `.wts` begins with the number of its tensors on a line of its own.
bool isWts(std::string_view bytes) {
  std::size_t digits = std::min(bytes.find_first_not_of("0123456789"), bytes.size());
  return digits > 0 && digits < bytes.size() && (bytes[digits] == '\n' || bytes[digits] == '\r');
}

/// Throws where the file is no plan, saying what it is.
void refuseForeign(std::string_view bytes) {
  constexpr std::string_view kMagic = "LWPLAN";
  if (bytes.starts_with(kMagic)) return;
  if (bytes.empty()) fail("is empty");
  std::string kind = bytes.starts_with("\x1f\x8b") ? "a gzip file (.wts.gz)"
                     : isWts(bytes)                ? "a .wts"
                                                   : foreignFileKind(bytes);
  if (kind.empty()) fail("is no Layerwise engine");
  fail("is {}, not a Layerwise engine: build one from the .wts with -s", kind);
}

PlanContents readPlan(const std::shared_ptr<const std::byte>& bytes, std::size_t size,
                      const std::string& label, std::shared_ptr<const MappedFile> file) {
  // Names out of the file are in the message: they may hold anything.
  constexpr std::size_t kMaxMessage = 400;
  auto named = [&](ErrorCode code, std::string_view message) {
    return Error(code, fmt::format("[{}] {}", label, printable(message, kMaxMessage)));
  };
  try {
    refuseForeign({reinterpret_cast<const char*>(bytes.get()), size});
    auto constants = std::make_shared<StoredConstants>(label, std::move(file));
    PlanContents contents = readSections(bytes, size, *constants);
    contents.constants = std::move(constants);
    return contents;
  } catch (const Error& error) {
    // Whatever is wrong with what the file says is the file's fault, unless the program lacks it.
    bool lacks = error.code() == ErrorCode::kUnsupported;
    throw named(lacks ? ErrorCode::kUnsupported : ErrorCode::kBadFile, error.what());
  } catch (const std::exception& error) {
    throw named(ErrorCode::kBadFile, error.what());
  }
}

}  // namespace

PlanContents readPlan(std::shared_ptr<const std::byte> bytes, std::size_t size,
                      const std::string& label) {
  return readPlan(bytes, size, label, nullptr);
}

PlanContents readPlan(std::span<const std::byte> bytes) {
  ConstantData copy =
      ConstantData::copyOf(DataType::kUInt8, bytes.data(), static_cast<std::int64_t>(bytes.size()));
  return readPlan(copy.bytes, bytes.size(), "engine in memory");
}

PlanContents readPlanFile(const std::string& path) {
  auto file = std::make_shared<MappedFile>(path, "engine");
  std::shared_ptr<const std::byte> bytes(file, reinterpret_cast<const std::byte*>(file->data()));
  return readPlan(bytes, file->size(), "engine " + path, file);
}

}  // namespace layerwise
