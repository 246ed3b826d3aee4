#include "backends/shared/lstm_cells.h"

#include "backends/shared/node_info.h"

namespace layerwise {

std::vector<LstmCell> lstmCells(const Lstm& a, const Node& node) {
  std::vector<float> blob = floatWeights(node.weights[0]);
  std::int64_t directions = a.bidirectional ? 2 : 1, gates = 4 * a.hidden;
  // What the blob holds beyond the layers' own weights tells the width of the first layer.
  std::int64_t inner = a.hidden * directions, fixed = a.hidden + (a.bias ? 2 : 0);
  std::int64_t columns = static_cast<std::int64_t>(blob.size()) / gates;
  std::int64_t first = columns / directions - a.layers * fixed - (a.layers - 1) * inner;
  std::vector<LstmCell> cells;
  const float* at = blob.data();
  auto take = [&](std::int64_t count) {
    std::vector<float> values(at, at + count);
    at += count;
    return values;
  };
  for (std::int64_t i = 0; i < a.layers * directions; ++i) {
    LstmCell cell;
    cell.width = i < directions ? first : inner;
    cell.inputWeights = take(gates * cell.width);
    cell.hiddenWeights = take(gates * a.hidden);
    cell.bias.assign(static_cast<std::size_t>(gates), 0);
    for (int k = 0; k < (a.bias ? 2 : 0); ++k) {
      std::vector<float> bias = take(gates);
      for (std::size_t j = 0; j < bias.size(); ++j) cell.bias[j] += bias[j];
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace layerwise
