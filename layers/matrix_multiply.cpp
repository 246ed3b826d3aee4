#include <Eigen/Core>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

/// An operand as a stack of matrices: its leading axes, and its last two in the order of use.
struct Operand {
  Dims batch;
  std::int64_t rows = 1, columns = 1;

  Operand(const Dims& dims, MatrixOperation operation, bool left) {
    int matrixAxes = operation == MatrixOperation::kVector ? 1 : 2;
    for (int i = 0; i < dims.rank() - matrixAxes; ++i) batch.append(dims[i]);
    std::int64_t last = dims[dims.rank() - 1];
    if (operation == MatrixOperation::kVector) {
      (left ? columns : rows) = last;
    } else {
      rows = dims[dims.rank() - 2];
      columns = last;
      if (operation == MatrixOperation::kTranspose) std::swap(rows, columns);
    }
  }
};

std::vector<TensorInfo> infer(const MatrixMultiply& m, const ShapeContext& c) {
  c.expectFloat();
  c.expectSameType(0, 1);
  c.expectRank(0, m.a == MatrixOperation::kVector ? 1 : 2, Dims::kMaxRank);
  c.expectRank(1, m.b == MatrixOperation::kVector ? 1 : 2, Dims::kMaxRank);
  Operand a(c.dims(0), m.a, true), b(c.dims(1), m.b, false);
  if (a.columns != b.rows)
    c.fail("{} and {} do not multiply: {} columns against {} rows", toString(c.dims(0)),
           toString(c.dims(1)), a.columns, b.rows);
  Dims out = broadcast(c, a.batch, b.batch);
  if (m.a != MatrixOperation::kVector) out.append(a.rows);
  if (m.b != MatrixOperation::kVector) out.append(b.columns);
  return {{c.type(), out}};
}

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMap = Eigen::Map<const Matrix>;

void reference(const MatrixMultiply& m, const ReferenceContext& c) {
  Operand a(c.inputs[0].info.dims, m.a, true), b(c.inputs[1].info.dims, m.b, false);
  Dims batch = c.outputs[0].info.dims, batches;
  int matrixAxes = (m.a != MatrixOperation::kVector) + (m.b != MatrixOperation::kVector);
  for (int i = 0; i < batch.rank() - matrixAxes; ++i) batches.append(batch[i]);
  Dims stridesA = broadcastStrides(a.batch, batches), stridesB = broadcastStrides(b.batch, batches);
  auto stored = [](const double* values, const Operand& o, MatrixOperation operation) -> Matrix {
    if (operation == MatrixOperation::kTranspose)
      return ConstMap(values, o.columns, o.rows).transpose();
    return ConstMap(values, o.rows, o.columns);
  };
  double* y = c.outputs[0].values.data();
  forEachIndex(batches, [&](const Dims& index) {
    Matrix left =
        stored(c.inputs[0].values.data() + offsetOf(index, stridesA) * a.rows * a.columns, a, m.a);
    Matrix right =
        stored(c.inputs[1].values.data() + offsetOf(index, stridesB) * b.rows * b.columns, b, m.b);
    Eigen::Map<Matrix>(y, a.rows, b.columns) = left.lazyProduct(right);
    y += a.rows * b.columns;
  });
}

/// With three axes or more the first one counts matrices, also where these are vectors.
bool imageByImage(const MatrixMultiply& m, std::span<const TensorInfo> inputs) {
  return imageByImageInOneRank(m, inputs) && inputs[0].dims.rank() > 2 &&
         m.a != MatrixOperation::kVector && m.b != MatrixOperation::kVector;
}

}  // namespace

void registerLayer_matrix_multiply(LayerRegistry& registry) {
  registry.add<MatrixMultiply>({.minInputs = 2,
                                .maxInputs = 2,
                                .infer = infer,
                                .reference = reference,
                                .imageByImage = imageByImage});
}

}  // namespace layerwise
