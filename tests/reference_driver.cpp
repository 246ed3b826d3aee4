// Evaluates a layer's reference for the tests that are written in Python: a case a line on standard
// input, its outputs or its error a line on standard output, as JSON.
//   {"kind": "pooling", "fields": {"type": "max", "window": [2, 2], ...},
//    "inputs": [{"type": "float32", "dims": [1, 2, 4, 4], "values": [...]}], "weights": [[...]]}
// A list of reals is written {"reals": [...]}; values that JSON does not have are "nan", "inf" and
// "-inf".
#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "layers/layer_kind.h"

namespace layerwise {
namespace {

using nlohmann::json;

double numberOf(const json& value) {
  if (!value.is_string()) return value.get<double>();
  std::string text = value;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  double infinity = std::numeric_limits<double>::infinity();
  return text == "inf" ? infinity : -infinity;
}

json toJson(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

std::vector<double> numbersOf(const json& list) {
  std::vector<double> values;
  for (const json& value : list) values.push_back(numberOf(value));
  return values;
}

Field::Value fieldOf(const json& value) {
  if (value.is_object()) return numbersOf(value.at("reals"));
  if (value.is_array()) return value.get<std::vector<std::int64_t>>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return value.get<double>();
  return value.get<std::int64_t>();
}

ReferenceTensor tensorOf(const json& given) {
  Dims dims;
  for (std::int64_t size : given.at("dims")) dims.append(size);
  ReferenceTensor tensor({dataTypeFromString(given.at("type").get<std::string>()), dims});
  tensor.values = numbersOf(given.at("values"));
  return tensor;
}

json evaluate(const json& request) {
  const LayerKind& kind = LayerRegistry::instance().at(request.at("kind").get<std::string>());
  Fields fields;
  for (const auto& [name, value] : request.at("fields").items()) fields.set(name, fieldOf(value));
  auto attributes = kind.attributes->fromFields(fields, {});
  std::vector<ReferenceTensor> inputs, weights, outputs;
  std::vector<ShapeInput> shapes;
  std::vector<WeightInfo> weightInfos;
  for (const json& input : request.at("inputs")) inputs.push_back(tensorOf(input));
  for (const ReferenceTensor& input : inputs) shapes.push_back({input.info});
  for (const json& given : request.at("weights")) {
    std::vector<double> values = numbersOf(given);
    auto count = static_cast<std::int64_t>(values.size());
    weights.emplace_back(TensorInfo{DataType::kFloat32, {count}});
    weights.back().values = std::move(values);
    weightInfos.push_back({DataType::kFloat32, count});
  }
  ShapeContext context(kind.name, "case", shapes, weightInfos);
  for (const TensorInfo& info : inferLayer(kind, attributes.get(), context, "case"))
    outputs.emplace_back(info);
  kind.reference(attributes.get(), {inputs, weights, outputs});
  json reply = json::array();
  for (const ReferenceTensor& output : outputs) {
    json values = json::array();
    for (double value : output.values) values.push_back(toJson(value));
    reply.push_back(
        {{"type", toString(output.info.type)},
         {"dims", std::vector<std::int64_t>(output.info.dims.begin(), output.info.dims.end())},
         {"values", std::move(values)}});
  }
  return {{"outputs", std::move(reply)}};
}

}  // namespace
}  // namespace layerwise

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    nlohmann::json reply;
    try {
      reply = layerwise::evaluate(nlohmann::json::parse(line));
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << reply.dump() << std::endl;
  }
}
