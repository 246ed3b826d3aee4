#include <algorithm>
#include <cmath>

#include "layers/integer_arithmetic.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

using Operation = UnaryOperation;

bool takesIntegers(Operation operation) {
  switch (operation) {
    case Operation::kAbs:
    case Operation::kNegate:
    case Operation::kSign:
    case Operation::kCeil:
    case Operation::kFloor:
    case Operation::kRound:
      return true;
    default:
      return false;
  }
}

std::vector<TensorInfo> infer(const Unary& a, const ShapeContext& c) {
  DataType type = c.type();
  bool fits = a.operation == Operation::kNot ? type == DataType::kBool
              : isInteger(type)              ? takesIntegers(a.operation)
                                             : isFloat(type);
  if (!fits) c.fail("the operation does not take an input of {}", toString(type));
  bool test = a.operation == Operation::kIsInf || a.operation == Operation::kIsNan;
  return {{test ? DataType::kBool : type, c.dims()}};
}

double compute(Operation operation, double x) {
  switch (operation) {
    case Operation::kExp:
      return std::exp(x);
    case Operation::kLog:
      return std::log(x);
    case Operation::kSqrt:
      return std::sqrt(x);
    case Operation::kReciprocal:
      return 1 / x;
    case Operation::kAbs:
      return std::abs(x);
    case Operation::kNegate:
      return -x;
    case Operation::kSin:
      return std::sin(x);
    case Operation::kCos:
      return std::cos(x);
    case Operation::kTan:
      return std::tan(x);
    case Operation::kAsin:
      return std::asin(x);
    case Operation::kAcos:
      return std::acos(x);
    case Operation::kAtan:
      return std::atan(x);
    case Operation::kSinh:
      return std::sinh(x);
    case Operation::kCosh:
      return std::cosh(x);
    case Operation::kAsinh:
      return std::asinh(x);
    case Operation::kAcosh:
      return std::acosh(x);
    case Operation::kAtanh:
      return std::atanh(x);
    case Operation::kCeil:
      return std::ceil(x);
    case Operation::kFloor:
      return std::floor(x);
    case Operation::kErf:
      return std::erf(x);
    case Operation::kNot:
      return x == 0;
    case Operation::kSign:
      return x > 0 ? 1 : x < 0 ? -1 : x;  // NaN and the zeros stay
    case Operation::kRound:
      return std::nearbyint(x);
    case Operation::kIsInf:
      return std::isinf(x);
    case Operation::kIsNan:
      return std::isnan(x);
  }
  throw Error(ErrorCode::kInternal, "[unary] unknown operation");
}

void reference(const Unary& a, const ReferenceContext& c) {
  DataType type = c.inputs[0].info.type;
  std::transform(c.inputs[0].values.begin(), c.inputs[0].values.end(), c.outputs[0].values.begin(),
                 [&](double x) {
                   double y = compute(a.operation, x);
                   // The negative of the smallest integer wraps around to itself.
                   return isInteger(type)
                              ? static_cast<double>(integer::wrap(type, integer::fromDouble(y)))
                              : y;
                 });
}

}  // namespace

void registerLayer_unary(LayerRegistry& registry) {
  registry.add<Unary>({.infer = infer,
                       .reference = reference,
                       .traits = [](const Unary&) { return Traits{.pointwise = true}; },
                       .imageByImage = alwaysImageByImage<Unary>});
}

}  // namespace layerwise
