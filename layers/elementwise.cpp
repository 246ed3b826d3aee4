#include <algorithm>
#include <cmath>

#include "layers/index_space.h"
#include "layers/integer_arithmetic.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

using Operation = ElementWiseOperation;

bool isLogical(Operation operation) {
  return operation == Operation::kAnd || operation == Operation::kOr ||
         operation == Operation::kXor;
}

bool isComparison(Operation operation) {
  return operation == Operation::kEqual || operation == Operation::kGreater ||
         operation == Operation::kLess;
}

std::vector<TensorInfo> infer(const ElementWise& a, const ShapeContext& c) {
  c.expectSameType(0, 1);
  bool isBool = c.type() == DataType::kBool;
  if (isLogical(a.operation) ? !isBool : isBool && a.operation != Operation::kEqual)
    c.fail("the operation does not take inputs of {}", toString(c.type()));
  DataType type = isComparison(a.operation) ? DataType::kBool : c.type();
  return {{type, broadcast(c, c.dims(0), c.dims(1))}};
}

/// Computed from the remainder, which is exact: a quotient just below an integer must not be
/// rounded up to it first.
double floorDivide(double a, double b) {
  if (b == 0) return a / b;
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  return std::round(quotient);
}

double modulo(double a, double b) {
  double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double computeFloat(Operation operation, double a, double b) {
  switch (operation) {
    case Operation::kSum:
      return a + b;
    case Operation::kProduct:
      return a * b;
    case Operation::kMax:
      return std::max(a, b);
    case Operation::kMin:
      return std::min(a, b);
    case Operation::kSubtract:
      return a - b;
    case Operation::kDivide:
      return a / b;
    case Operation::kPower:
      return std::pow(a, b);
    case Operation::kFloorDivide:
      return floorDivide(a, b);
    case Operation::kModulo:
      return modulo(a, b);
    case Operation::kEqual:
      return a == b;
    case Operation::kGreater:
      return a > b;
    case Operation::kLess:
      return a < b;
    case Operation::kAnd:
      return a != 0 && b != 0;
    case Operation::kOr:
      return a != 0 || b != 0;
    case Operation::kXor:
      return (a != 0) != (b != 0);
  }
  throw Error(ErrorCode::kInternal, "[elementwise] unknown operation");
}

std::int64_t computeInteger(Operation operation, std::int64_t a, std::int64_t b) {
  switch (operation) {
    case Operation::kSum:
      return integer::add(a, b);
    case Operation::kProduct:
      return integer::multiply(a, b);
    case Operation::kSubtract:
      return integer::subtract(a, b);
    case Operation::kDivide:
      return integer::divide(a, b);
    case Operation::kPower:
      return integer::power(a, b);
    case Operation::kFloorDivide:
      return integer::floorDivide(a, b);
    case Operation::kModulo:
      return integer::modulo(a, b);
    default:  // the others give one of their operands or a bool, which doubles hold
      return integer::fromDouble(
          computeFloat(operation, static_cast<double>(a), static_cast<double>(b)));
  }
}

void reference(const ElementWise& e, const ReferenceContext& c) {
  const ReferenceTensor &a = c.inputs[0], &b = c.inputs[1];
  ReferenceTensor& out = c.outputs[0];
  Dims stridesA = broadcastStrides(a.info.dims, out.info.dims);
  Dims stridesB = broadcastStrides(b.info.dims, out.info.dims);
  bool integers = isInteger(a.info.type);
  double* y = out.values.data();
  forEachIndex(out.info.dims, [&](const Dims& index) {
    double x0 = a.values[static_cast<std::size_t>(offsetOf(index, stridesA))];
    double x1 = b.values[static_cast<std::size_t>(offsetOf(index, stridesB))];
    *y++ = integers ? static_cast<double>(integer::wrap(
                          a.info.type, computeInteger(e.operation, integer::fromDouble(x0),
                                                      integer::fromDouble(x1))))
                    : computeFloat(e.operation, x0, x1);
  });
}

}  // namespace

void registerLayer_elementwise(LayerRegistry& registry) {
  registry.add<ElementWise>({.minInputs = 2,
                             .maxInputs = 2,
                             .infer = infer,
                             .reference = reference,
                             .imageByImage = imageByImageInOneRank<ElementWise>});
}

}  // namespace layerwise
