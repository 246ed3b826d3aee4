#include "layerwise/plugin.h"

#include "layers/layer_kind.h"
#include "layerwise/network.h"

namespace layerwise {
namespace {

// The plugin's own fields are stored beside its type and version, under a prefix that keeps the
// names apart.
constexpr std::string_view kPrefix = "plugin.";

const AttributeOperations kOperations = {
    [](const void* p) -> std::shared_ptr<const void> {
      return std::make_shared<PluginLayer>(*static_cast<const PluginLayer*>(p));
    },
    [](const void* p) {
      const Plugin& plugin = *static_cast<const PluginLayer*>(p)->plugin;
      Fields fields;
      fields.set("type", std::string(plugin.type()));
      fields.set("version", plugin.version());
      Fields own = plugin.fields();
      for (const Field& field : own.all())
        fields.set(std::string(kPrefix) + field.name, field.value);
      return fields;
    },
    [](const Fields& fields, std::span<const Weights> weights) -> std::shared_ptr<const void> {
      Fields own;
      for (const Field& field : fields.all())
        if (field.name.starts_with(kPrefix))
          own.set(field.name.substr(kPrefix.size()), field.value);
      return std::make_shared<PluginLayer>(
          PluginLayer{createPlugin(fields.text("type"), fields.integer("version"), own, weights)});
    }};

std::vector<TensorInfo> infer(const void* attributes, const ShapeContext& context) {
  std::vector<TensorInfo> inputs;
  for (const ShapeInput& input : context.inputs) inputs.push_back(input.info);
  return static_cast<const PluginLayer*>(attributes)->plugin->outputs(inputs);
}

Dims rowMajor(const Dims& dims) {
  Dims strides = Dims::filled(dims.rank(), 1);
  for (int i = dims.rank() - 2; i >= 0; --i) strides[i] = strides[i + 1] * dims[i + 1];
  return strides;
}

/// A plugin is its own specification: it is run on plain copies.
void reference(const void* attributes, const ReferenceContext& context) {
  const Plugin& plugin = *static_cast<const PluginLayer*>(attributes)->plugin;
  std::vector<std::vector<std::byte>> memory;
  std::vector<TensorInfo> infos;
  std::vector<TensorView> inputs, outputs;
  memory.reserve(context.inputs.size() + context.outputs.size());
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    const ReferenceTensor& input = context.inputs[i];
    infos.push_back(input.info);
    Dims strides = rowMajor(input.info.dims);
    if (plugin.inputFormat(static_cast<int>(i)) == TensorFormat::kChannelsLast &&
        strides.rank() > 2)
      throw Error(ErrorCode::kUnsupported, "the reference runs plugins on linear tensors only");
    memory.emplace_back(input.values.size() * sizeOf(input.info.type));
    input.write(memory.back().data());
    inputs.push_back({input.info.type, input.info.dims, strides, memory.back().data()});
  }
  for (const ReferenceTensor& output : context.outputs) {
    memory.emplace_back(output.values.size() * sizeOf(output.info.type));
    outputs.push_back(
        {output.info.type, output.info.dims, rowMajor(output.info.dims), memory.back().data()});
  }
  std::vector<std::byte> scratch(plugin.scratchBytes(infos));
  for (std::int64_t task = 0; task < plugin.tasks(infos); ++task)
    plugin.run(task, inputs, outputs, scratch);
  for (std::size_t i = 0; i < outputs.size(); ++i)
    context.outputs[i].values =
        ReferenceTensor::read(context.outputs[i].info, outputs[i].data).values;
}

}  // namespace

void registerAllPlugins(PluginRegistry& registry);

PluginRegistry::PluginRegistry() {
  registerAllPlugins(*this);
}

PluginRegistry& PluginRegistry::instance() {
  static PluginRegistry registry;
  return registry;
}

void PluginRegistry::add(std::string_view type, std::int64_t version, PluginCreator creator) {
  std::lock_guard lock(mutex_);
  if (!creators_.emplace(std::pair(std::string(type), version), std::move(creator)).second)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[plugin {} version {}] is registered already", type, version));
}

std::shared_ptr<const Plugin> PluginRegistry::create(std::string_view type, std::int64_t version,
                                                     const Fields& fields,
                                                     std::span<const Weights> weights) const {
  PluginCreator creator;
  {
    std::lock_guard lock(mutex_);
    auto found = creators_.find({std::string(type), version});
    if (found != creators_.end()) creator = found->second;
  }
  if (!creator)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("[plugin {} version {}] is not registered in this program (registerPlugin)",
                    type, version));
  auto plugin = creator(fields, weights);
  if (!plugin)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[plugin {} version {}] its creator gave none", type, version));
  return plugin;
}

void registerPlugin(std::string_view type, std::int64_t version, PluginCreator creator) {
  PluginRegistry::instance().add(type, version, std::move(creator));
}

std::shared_ptr<const Plugin> createPlugin(std::string_view type, std::int64_t version,
                                           const Fields& fields, std::span<const Weights> weights) {
  return PluginRegistry::instance().create(type, version, fields, weights);
}

void registerLayer_plugin(LayerRegistry& registry) {
  LayerKind kind;
  kind.name = PluginLayer::kKind;
  kind.minInputs = 0;
  kind.maxInputs = kAnyInputs;
  kind.attributes = &kOperations;
  kind.infer = infer;
  kind.reference = reference;
  kind.traits = [](const void*) { return Traits{}; };
  kind.outputs = [](const void* a) {
    return static_cast<const PluginLayer*>(a)->plugin->outputCount();
  };
  kind.boxes = [](const void*, std::span<const TensorInfo>, std::span<const TensorInfo>) {
    return std::vector<BoxView>{};
  };
  kind.reshapes = [](const void*, const TensorInfo&) { return false; };
  kind.imageByImage = [](const void*, std::span<const TensorInfo>) { return false; };
  registry.add(std::move(kind));
}

}  // namespace layerwise
