#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "layerwise/network.h"

namespace layerwise::test {

/// The source of random attributes: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  double real(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_()) * 0x1p-32;
  }
  bool chance(double probability) { return real(0, 1) < probability; }
  std::vector<float> floats(std::int64_t count, double low = -1, double high = 1) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(real(low, high));
    return values;
  }
  Dims dims(int rank, std::int64_t low, std::int64_t high) {
    Dims dims;
    for (int i = 0; i < rank; ++i) dims.append(pick(low, high));
    return dims;
  }

 private:
  std::mt19937 engine_;
};

constexpr std::int64_t kBatch = 3;

struct CaseInput {
  Dims dims;
  DataType type = DataType::kFloat32;
  double low = -2, high = 2;
  bool batched = true;         ///< axis 0 is the batch
  std::vector<double> values;  ///< instead of random ones
};

/// A layer, or a few that a tactic may fuse, with attributes, inputs and what is asked of a result.
struct LayerCase {
  std::vector<CaseInput> inputs;
  /// Adds the layers and returns the outputs. Weights are captured.
  std::function<std::vector<Tensor*>(Network&, const std::vector<Tensor*>&)> define;
  double tolerance = 0;  ///< of the largest value of the reference; 0: the same values
  bool batched = true;   ///< an image's result depends on that image alone
  std::vector<int> outputBatchAxes = {};  ///< empty: 0 for all
  /// Where the output is an integer that may be one off if it lies next to a half: the same layers
  /// with a float output, of which `quantum` makes one.
  std::function<std::vector<Tensor*>(Network&, const std::vector<Tensor*>&)> unrounded = {};
  double quantum = 0;
};

/// Cases of one layer: `make` is called with a number that counts up, so that it can walk through
/// an enum.
struct LayerFamily {
  std::string name;
  LayerCase (*make)(Random& random, int index);
  int count = 30;
};

}  // namespace layerwise::test
