#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/matrix_operand.h"

namespace layerwise {
namespace cpu {
namespace {

/// The sum of products, in sixteen partial sums that the compiler may keep in a vector.
float dot(const float* a, const float* b, std::int64_t count) {
  constexpr std::int64_t kLanes = 16;
  float sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (std::int64_t lane = 0; i < count; ++i, ++lane) sums[lane] += a[i] * b[i];
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2)
    for (std::int64_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  return sums[0];
}

/// The offset of batch number `index`.
std::int64_t batchOffset(std::int64_t index, const Dims& dims, const Dims& strides) {
  std::int64_t offset = 0;
  for (int axis = dims.rank() - 1; axis >= 0; index /= dims[axis--])
    offset += index % dims[axis] * strides[axis];
  return offset;
}

std::unique_ptr<Step> bindMatrixMultiply(const MatrixMultiply& m, const BindContext& c) {
  BufferView left = c.inputs[0], right = c.inputs[1], out = c.outputs[0];
  MatrixOperand a(left, m.a, true), b(right, m.b, false);
  bool rowAxis = m.a != MatrixOperation::kVector, columnAxis = m.b != MatrixOperation::kVector;
  BufferView outBatch = leadingAxes(out, rowAxis + columnAxis);
  Dims batch = outBatch.dims, batchOut = outBatch.strides;
  Dims batchA = broadcastStrides(leadingAxes(left, a.matrixAxes), batch);
  Dims batchB = broadcastStrides(leadingAxes(right, b.matrixAxes), batch);
  int last = out.dims.rank() - 1;
  std::int64_t columnStride = columnAxis ? out.strides[last] : 0;
  std::int64_t rowStride = rowAxis ? out.strides[last - (columnAxis ? 1 : 0)] : 0;
  constexpr std::int64_t kBlock = 256;
  std::int64_t blocks = (b.columns + kBlock - 1) / kBlock;
  return makeStep(batch.volume() * a.rows * blocks, [=](std::int64_t tile, const Worker& worker) {
    std::int64_t first = tile % blocks * kBlock, row = tile / blocks % a.rows;
    std::int64_t index = tile / blocks / a.rows;
    std::int64_t count = std::min(kBlock, b.columns - first);
    const float* x =
        worker.data<float>(left) + batchOffset(index, batch, batchA) + row * a.rowStride;
    const float* y =
        worker.data<float>(right) + batchOffset(index, batch, batchB) + first * b.columnStride;
    float sums[kBlock] = {};
    if (b.rowStride == 1 && a.columnStride == 1) {
      for (std::int64_t j = 0; j < count; ++j) sums[j] = dot(x, y + j * b.columnStride, a.columns);
    } else {
      for (std::int64_t k = 0; k < a.columns; ++k) {
        float value = x[k * a.columnStride];
        const float* line = y + k * b.rowStride;
        if (b.columnStride == 1)
          for (std::int64_t j = 0; j < count; ++j) sums[j] += value * line[j];
        else
          for (std::int64_t j = 0; j < count; ++j) sums[j] += value * line[j * b.columnStride];
      }
    }
    float* target = worker.data<float>(out) + batchOffset(index, batch, batchOut) +
                    row * rowStride + first * columnStride;
    for (std::int64_t j = 0; j < count; ++j) target[j * columnStride] = sums[j];
  });
}

double matrixFlops(const MatrixMultiply& m, const NodeInfo& info) {
  const Dims& a = info.inputs[0].dims;
  int depthAxis = a.rank() - (m.a == MatrixOperation::kTranspose ? 2 : 1);
  return 2 * static_cast<double>(info.outputs[0].dims.volume()) * static_cast<double>(a[depthAxis]);
}

struct Kernel {
  std::vector<float> weights, bias;
};

std::shared_ptr<const void> packFullyConnected(const FullyConnected& a, const Node& node) {
  auto packed = std::make_shared<Kernel>();
  packed->weights = floatWeights(node.weights[0]);
  packed->bias = floatWeights(node.weights[1]);
  if (packed->bias.empty()) packed->bias.assign(static_cast<std::size_t>(a.outputs), 0);
  return packed;
}

std::unique_ptr<Step> bindFullyConnected(const FullyConnected& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto packed = std::static_pointer_cast<const Kernel>(c.packed);
  int rank = in.dims.rank(), axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  BufferView rowsIn = leadingAxes(in, rank - axis), rowsOut = leadingAxes(out, 1);
  std::vector<LoopNest<2>::Loop> loops;
  std::int64_t depth = 1;
  for (int i = rank - 1; i >= axis; --i) {
    loops.push_back({in.dims[i], {depth, in.strides[i]}});
    depth *= in.dims[i];
  }
  LoopNest<2> gather(loops);
  constexpr std::int64_t kBlock = 32;
  std::int64_t blocks = (a.outputs + kBlock - 1) / kBlock, outputs = a.outputs;
  std::int64_t stride = out.strides[axis];
  return makeStep(
      rowsOut.dims.volume() * blocks,
      [=](std::int64_t tile, const Worker& worker) {
        std::int64_t row = tile / blocks, first = tile % blocks * kBlock;
        const float* x = worker.data<float>(in) + batchOffset(row, rowsIn.dims, rowsIn.strides);
        auto* line = reinterpret_cast<float*>(worker.scratch);
        auto step = gather.runStrides();
        gather.runAll([&](const auto& at, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i)
            line[at[0] + i * step[0]] = x[at[1] + i * step[1]];
        });
        float* y = worker.data<float>(out) + batchOffset(row, rowsOut.dims, rowsOut.strides);
        std::int64_t end = std::min(outputs, first + kBlock);
        for (std::int64_t o = first; o < end; ++o)
          y[o * stride] = packed->bias[static_cast<std::size_t>(o)] +
                          dot(packed->weights.data() + o * depth, line, depth);
      },
      static_cast<std::size_t>(depth) * sizeof(float));
}

double fullyConnectedFlops(const FullyConnected&, const NodeInfo& info) {
  return 2 * static_cast<double>(info.node.weights[0].count) *
         static_cast<double>(info.outputs[0].dims.volume()) /
         static_cast<double>(info.outputs[0].dims[info.outputs[0].dims.rank() - 1]);
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_matrix(cpu::TacticRegistry& registry) {
  cpu::addPortable<MatrixMultiply>(registry,
                                   {.flops = cpu::matrixFlops, .bind = cpu::bindMatrixMultiply});
  cpu::addPortable<FullyConnected>(registry, {.flops = cpu::fullyConnectedFlops,
                                              .pack = cpu::packFullyConnected,
                                              .bind = cpu::bindFullyConnected});
}

}  // namespace layerwise
