#include <algorithm>
#include <array>
#include <limits>

#include "layers/index_space.h"
#include "layers/integer_arithmetic.h"
#include "layers/reduced_axes.h"

namespace layerwise {

std::array<bool, Dims::kMaxRank> reducedAxes(const std::vector<std::int64_t>& axes, int rank) {
  std::array<bool, Dims::kMaxRank> reduced{};
  auto fail = [&](std::int64_t axis, const char* fault) {
    throw Error(ErrorCode::kInvalidShape, fmt::format("axes {}: {} {} a tensor of {} axes",
                                                      fmt::join(axes, "x"), axis, fault, rank));
  };
  for (std::int64_t axis : axes) {
    std::int64_t counted = axis < 0 ? axis + rank : axis;
    if (counted < 0 || counted >= rank) fail(axis, "is outside");
    bool& place = reduced[static_cast<std::size_t>(counted)];
    if (place) fail(axis, "is named twice for");
    place = true;
  }
  if (axes.empty()) std::fill_n(reduced.begin(), rank, true);
  return reduced;
}

namespace {

std::vector<TensorInfo> infer(const Reduce& a, const ShapeContext& c) {
  if (c.type() == DataType::kBool) c.fail("bool cannot be reduced");
  const Dims& in = c.dims();
  auto reduced = reducedAxes(a.axes, in.rank());
  Dims out;
  for (int i = 0; i < in.rank(); ++i) {
    bool fold = reduced[static_cast<std::size_t>(i)];
    if (fold && in[i] == 0 && a.operation != ReduceOperation::kSum &&
        a.operation != ReduceOperation::kProduct)
      c.fail("axis {} of {} is empty: only a sum or product of nothing is defined", i,
             toString(in));
    if (!fold || a.keepDimensions) out.append(fold ? 1 : in[i]);
  }
  return {{c.type(), out}};
}

double combine(ReduceOperation operation, double a, double b) {
  switch (operation) {
    case ReduceOperation::kSum:
    case ReduceOperation::kAverage:
      return a + b;
    case ReduceOperation::kProduct:
      return a * b;
    case ReduceOperation::kMax:
      return std::max(a, b);
    case ReduceOperation::kMin:
      return std::min(a, b);
  }
  throw Error(ErrorCode::kInternal, "[reduce] unknown operation");
}

double combineIntegers(ReduceOperation operation, DataType type, double a, double b) {
  if (operation == ReduceOperation::kMax || operation == ReduceOperation::kMin)
    return combine(operation, a, b);
  std::int64_t x = integer::fromDouble(a), y = integer::fromDouble(b);
  // An average sums in 64 bits and is brought back to the type by its division.
  if (operation == ReduceOperation::kAverage) return static_cast<double>(integer::add(x, y));
  return static_cast<double>(integer::wrap(
      type, operation == ReduceOperation::kSum ? integer::add(x, y) : integer::multiply(x, y)));
}

double start(ReduceOperation operation) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (operation) {
    case ReduceOperation::kMax:
      return -kInfinity;
    case ReduceOperation::kMin:
      return kInfinity;
    case ReduceOperation::kProduct:
      return 1;
    default:
      return 0;
  }
}

void reference(const Reduce& a, const ReferenceContext& c) {
  const ReferenceTensor& in = c.inputs[0];
  std::vector<double>& out = c.outputs[0].values;
  int rank = in.info.dims.rank();
  auto reduced = reducedAxes(a.axes, rank);
  Dims kept = in.info.dims;
  for (int i = 0; i < rank; ++i)
    if (reduced[static_cast<std::size_t>(i)]) kept[i] = 1;
  Dims strides = broadcastStrides(kept, in.info.dims);
  std::fill(out.begin(), out.end(), start(a.operation));
  const double* x = in.values.data();
  bool integers = isInteger(in.info.type);
  forEachIndex(in.info.dims, [&](const Dims& index) {
    double& y = out[static_cast<std::size_t>(offsetOf(index, strides))];
    y = integers ? combineIntegers(a.operation, in.info.type, y, *x) : combine(a.operation, y, *x);
    ++x;
  });
  if (a.operation != ReduceOperation::kAverage || out.empty()) return;
  double count = static_cast<double>(in.values.size() / out.size());
  for (double& y : out)
    y = integers ? static_cast<double>(
                       integer::divide(integer::fromDouble(y), integer::fromDouble(count)))
                 : y / count;
}

bool imageByImage(const Reduce& a, std::span<const TensorInfo> inputs) {
  return !reducedAxes(a.axes, inputs[0].dims.rank())[0];
}

}  // namespace

void registerLayer_reduce(LayerRegistry& registry) {
  registry.add<Reduce>({.infer = infer, .reference = reference, .imageByImage = imageByImage});
}

}  // namespace layerwise
