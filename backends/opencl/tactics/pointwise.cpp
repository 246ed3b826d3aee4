#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "backends/opencl/activation_function.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/map_step.h"
#include "backends/opencl/single_node.h"

namespace layerwise {
namespace opencl {
namespace {

/// The macros by which the functions of elementwise.cl and unary.cl know their type.
void describeType(MapFunction& function, DataType type) {
  auto define = [&](const char* name, const char* value) {
    function.defines.emplace_back(name, value);
  };
  if (isFloat(type)) {
    define("REAL", "1");
  } else if (type != DataType::kBool) {
    define("INTEGER", "1");
    define("UNSIGNED", type == DataType::kInt64 ? "ulong" : "uint");
  }
}

std::unique_ptr<Step> bindActivation(const Activation& a, const BindContext& c,
                                     const Device& device) {
  ActivationFunction activation = activationFunction(a);
  MapFunction function{
      "USE_ACTIVATION", {{"ACTIVATION", activation.name}}, activation.alpha, activation.beta};
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[0], c.outputs[0].dims)});
}

std::unique_ptr<Step> bindUnary(const Unary& a, const BindContext& c, const Device& device) {
  DataType type = c.inputs[0].type;
  std::string name(EnumNames<UnaryOperation>::kNames[static_cast<std::size_t>(a.operation)]);
  bool rounding = a.operation == UnaryOperation::kCeil || a.operation == UnaryOperation::kFloor ||
                  a.operation == UnaryOperation::kRound;
  if (isInteger(type) && rounding) name = "same";
  MapFunction function{.use = "USE_UNARY"};
  describeType(function, type);
  if (type == DataType::kBool) {
    function.defines.emplace_back("INTEGER", "1");
    function.defines.emplace_back("UNSIGNED", "uchar");
  }
  function.defines.emplace_back("FUNCTION(x)", fmt::format("un_{}(x)", name));
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[0], c.outputs[0].dims)});
}

std::unique_ptr<Step> bindElementWise(const ElementWise& e, const BindContext& c,
                                      const Device& device) {
  MapFunction function{.use = "USE_ELEMENTWISE"};
  describeType(function, c.inputs[0].type);
  auto index = static_cast<std::size_t>(e.operation);
  function.defines.emplace_back(
      "FUNCTION(a, b)", fmt::format("ew_{}(a, b)", EnumNames<ElementWiseOperation>::kNames[index]));
  const Dims& dims = c.outputs[0].dims;
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[0], dims), MapOperand::view(c.inputs[1], dims)});
}

std::unique_ptr<Step> bindParametricRelu(const ParametricRelu&, const BindContext& c,
                                         const Device& device) {
  MapFunction function{"USE_ELEMENTWISE", {{"FUNCTION(a, b)", "ew_parametric_relu(a, b)"}}};
  describeType(function, DataType::kFloat32);
  const Dims& dims = c.outputs[0].dims;
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[0], dims), MapOperand::view(c.inputs[1], dims)});
}

/// The condition comes last, as the others are what the functions are typed by.
std::unique_ptr<Step> bindSelect(const Select&, const BindContext& c, const Device& device) {
  MapFunction function{"USE_ELEMENTWISE", {{"FUNCTION(a, b, test)", "ew_select(test, a, b)"}}};
  const Dims& dims = c.outputs[0].dims;
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[1], dims), MapOperand::view(c.inputs[2], dims),
                  MapOperand::view(c.inputs[0], dims)});
}

std::unique_ptr<Step> bindCast(const Cast& cast, const BindContext& c, const Device& device) {
  MapFunction function{.use = "USE_CAST"};
  std::string text = "(x)";
  switch (cast.to) {
    case DataType::kBool:
      text = "cast_bool(x)";
      break;
    case DataType::kFloat16:
      text = "cast_round_half(x)";
      break;
    case DataType::kBFloat16:
      text = "cast_round_bfloat16(x)";
      break;
    case DataType::kFloat32:
      break;
    default:
      text = fmt::format("convert_{}_sat{}(x)", computeTypeName(cast.to),
                         isFloat(c.inputs[0].type) ? "_rtz" : "");
  }
  function.defines.emplace_back("FUNCTION(x)", text);
  return bindMap(device, function, c.outputs[0],
                 {MapOperand::view(c.inputs[0], c.outputs[0].dims)});
}

template <class A>
bool takesCommon(const A&, const NodeInfo& info) {
  return allCommonTypes(info);
}

}  // namespace
}  // namespace opencl

void registerTactic_pointwise(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Activation>(registry,
                          {.flopsPerOutput = 10, .channelsLast = true, .bind = bindActivation});
  addPortable<Unary>(
      registry,
      {.takes = takesCommon<Unary>, .flopsPerOutput = 10, .channelsLast = true, .bind = bindUnary});
  addPortable<ElementWise>(
      registry, {.takes = takesCommon<ElementWise>, .channelsLast = true, .bind = bindElementWise});
  addPortable<ParametricRelu>(
      registry, {.flopsPerOutput = 2, .channelsLast = true, .bind = bindParametricRelu});
  addPortable<Select>(registry,
                      {.takes = takesCommon<Select>, .channelsLast = true, .bind = bindSelect});
  addPortable<Cast>(registry, {.takes = [](const Cast&, const NodeInfo&) { return true; },
                               .channelsLast = true,
                               .half = false,
                               .bind = bindCast});
}

}  // namespace layerwise
