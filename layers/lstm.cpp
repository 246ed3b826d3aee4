#include <Eigen/Core>
#include <cmath>

#include "layers/layer_kind.h"

namespace layerwise {
namespace {

constexpr std::int64_t kMaxHidden = 1 << 20;
constexpr std::int64_t kMaxLayers = 1 << 10;

std::vector<TensorInfo> infer(const Lstm& a, const ShapeContext& c) {
  c.expectFloat();
  c.expectRank(0, 3, 3);
  if (a.hidden < 1 || a.hidden > kMaxHidden || a.layers < 1 || a.layers > kMaxLayers)
    c.fail("hidden {} is not 1...{}, or layers {} not 1...{}", a.hidden, kMaxHidden, a.layers,
           kMaxLayers);
  const Dims& in = c.dims();
  std::int64_t directions = a.bidirectional ? 2 : 1;
  Dims state{a.layers * directions, in[0], a.hidden};
  if (c.inputs.size() == 2) c.fail("h0 and c0 are given together or not at all");
  for (int i = 1; i < static_cast<int>(c.inputs.size()); ++i) {
    c.expectSameType(0, i);
    if (c.dims(i) != state)
      c.fail("input {} is {}, {} needed (layers x directions, batch, hidden)", i,
             toString(c.dims(i)), toString(state));
  }
  std::int64_t perRow = a.hidden + (a.bias ? 2 : 0), columns = 0;
  for (std::int64_t layer = 0; layer < a.layers; ++layer)
    columns += directions * (perRow + (layer == 0 ? in[2] : a.hidden * directions));
  c.expectWeights(0, "weights", {4 * a.hidden, columns});
  return {{c.type(), {in[0], in[1], a.hidden * directions}}, {c.type(), state}, {c.type(), state}};
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
using ConstMatrix = Eigen::Map<const Matrix>;
using ConstVector = Eigen::Map<const Vector>;

Vector sigmoid(const Vector& x) {
  return x.unaryExpr([](double v) { return 1 / (1 + std::exp(-v)); });
}

void reference(const Lstm& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  std::int64_t batch = in[0], steps = in[1], width = in[2], hidden = a.hidden;
  std::int64_t directions = a.bidirectional ? 2 : 1;
  for (std::int64_t n = 0; n < batch; ++n) {
    Matrix x = ConstMatrix(c.inputs[0].values.data() + n * steps * width, steps, width);
    const double* weights = c.weights[0].values.data();
    for (std::int64_t layer = 0; layer < a.layers; ++layer) {
      Matrix y(steps, hidden * directions);
      for (std::int64_t direction = 0; direction < directions; ++direction) {
        auto take = [&](std::int64_t rows, std::int64_t columns) {
          ConstMatrix matrix(weights, rows, columns);
          weights += rows * columns;
          return matrix;
        };
        ConstMatrix inputWeights = take(4 * hidden, x.cols());
        ConstMatrix hiddenWeights = take(4 * hidden, hidden);
        Vector bias = Vector::Zero(4 * hidden);
        if (a.bias) {
          bias += take(4 * hidden, 1);
          bias += take(4 * hidden, 1);
        }
        std::int64_t state = ((layer * directions + direction) * batch + n) * hidden;
        Vector h = Vector::Zero(hidden), cell = Vector::Zero(hidden);
        if (c.inputs.size() == 3) {
          h = ConstVector(c.inputs[1].values.data() + state, hidden);
          cell = ConstVector(c.inputs[2].values.data() + state, hidden);
        }
        for (std::int64_t step = 0; step < steps; ++step) {
          std::int64_t t = direction == 0 ? step : steps - 1 - step;
          Vector gates = inputWeights * x.row(t).transpose() + hiddenWeights * h + bias;
          Vector candidate = gates.segment(2 * hidden, hidden).array().tanh();
          cell = sigmoid(gates.segment(hidden, hidden)).cwiseProduct(cell) +
                 sigmoid(gates.segment(0, hidden)).cwiseProduct(candidate);
          Vector squashed = cell.array().tanh();
          h = sigmoid(gates.segment(3 * hidden, hidden)).cwiseProduct(squashed);
          y.row(t).segment(direction * hidden, hidden) = h;
        }
        Eigen::Map<Vector>(c.outputs[1].values.data() + state, hidden) = h;
        Eigen::Map<Vector>(c.outputs[2].values.data() + state, hidden) = cell;
      }
      x = std::move(y);
    }
    Eigen::Map<Matrix>(c.outputs[0].values.data() + n * x.size(), x.rows(), x.cols()) = x;
  }
}

}  // namespace

void registerLayer_lstm(LayerRegistry& registry) {
  registry.add<Lstm>({.weightRoles = {"weights"},
                      .maxInputs = 3,
                      .infer = infer,
                      .reference = reference,
                      .outputs = 3});
}

}  // namespace layerwise
