#include "apps/layerwise/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "apps/common/program.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

const IoInfo& inputOf(const Engine& engine, const std::string& name) {
  std::string all;
  for (const IoInfo& input : engine.inputs()) {
    if (input.name == name) return input;
    all += (all.empty() ? "" : ", ") + input.name;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[input {}] the engine has none of that name; it has {}", name, all));
}

}  // namespace

Arrays readInputs(const Engine& engine, const std::vector<std::string>& words) {
  Arrays arrays;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    std::string file = equals == word.npos ? "" : word.substr(equals + 1);
    if (file.empty()) {
      const auto needed = [](const IoInfo& input) { return !input.hasDefault; };
      if (equals != word.npos ||
          std::count_if(engine.inputs().begin(), engine.inputs().end(), needed) != 1)
        throw UsageError(fmt::format("[--input] '{}' is no NAME=FILE.npy", word));
      file = word;
      name = std::find_if(engine.inputs().begin(), engine.inputs().end(), needed)->name;
    }
    arrays[name] = convertArray(readNpy(file), inputOf(engine, name).type, file);
  }
  return arrays;
}

void addRandomInputs(Arrays& inputs, const Engine& engine,
                     const std::map<std::string, Dims>& shapes, std::uint64_t seed) {
  for (const auto& [name, dims] : shapes) inputOf(engine, name);
  std::mt19937_64 random(seed);
  // Not std::uniform_real_distribution: its numbers differ between standard libraries.
  const auto uniform = [&] { return static_cast<float>(random() >> 40) * 0x1p-24f; };
  for (const IoInfo& input : engine.inputs()) {
    if (input.hasDefault || inputs.contains(input.name)) continue;
    auto given = shapes.find(input.name);
    const Dims& dims = given != shapes.end()    ? given->second
                       : input.dims.isDynamic() ? input.range.opt
                                                : input.dims;
    Array array{input.type, dims, {}};
    array.bytes.resize(static_cast<std::size_t>(dims.volume()) * sizeOf(input.type));
    if (input.type == DataType::kFloat32)
      for (std::int64_t i = 0; i < array.count(); ++i) array.as<float>()[i] = uniform();
    inputs[input.name] = std::move(array);
  }
}

std::vector<std::pair<std::string, Array>> bindTensors(ExecutionContext& context,
                                                       const Arrays& inputs) {
  const Engine& engine = context.engine();
  for (const IoInfo& input : engine.inputs()) {
    auto found = inputs.find(input.name);
    if (found != inputs.end())
      context.setInput(input.name, found->second.bytes.data(), found->second.dims);
    else if (!input.hasDefault)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[input {}] is not given: --input {}=FILE.npy ({} of shape {})",
                              input.name, input.name, toString(input.type), toString(input.dims)));
  }
  std::vector<std::pair<std::string, Array>> outputs;
  for (const IoInfo& output : engine.outputs()) {
    Array array{output.type, context.outputDims(output.name), {}};
    array.bytes.resize(static_cast<std::size_t>(array.dims.volume()) * sizeOf(array.type));
    outputs.emplace_back(output.name, std::move(array));
  }
  for (auto& [name, array] : outputs) context.setOutput(name, array.bytes.data());
  return outputs;
}

}  // namespace layerwise::apps
