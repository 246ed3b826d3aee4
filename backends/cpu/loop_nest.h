#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "backends/shared/loops.h"

namespace layerwise::cpu {

/// The loops over an index space that K operands walk with strides of their own, ordered so that
/// the first operand (what is written) is walked in memory order, neighbouring loops merged where
/// all operands allow it, and cut into tiles. The innermost loop is handed out in runs.
template <int K>
class LoopNest {
 public:
  using Offsets = std::array<std::int64_t, K>;
  using Loop = layerwise::Loop<K>;

  /// A run has at most `maxRun` elements, a tile about `tileElements`.
  explicit LoopNest(std::vector<Loop> loops, std::int64_t maxRun = 4096,
                    std::int64_t tileElements = 16384) {
    empty_ = isEmpty(loops);
    if (empty_) return;
    simplify(loops);
    if (!loops.empty()) {
      run_ = loops.back();
      loops.pop_back();
    }
    outer_ = std::move(loops);
    chunk_ = std::min(run_.count, maxRun);
    chunks_ = (run_.count + chunk_ - 1) / chunk_;
    units_ = chunks_;
    for (const Loop& loop : outer_) units_ *= loop.count;
    unitsPerTile_ = std::max<std::int64_t>(1, tileElements / chunk_);
  }

  /// Over all axes of a shape, with a stride an axis for each operand.
  static LoopNest over(const Dims& dims, const std::array<Dims, K>& strides,
                       std::int64_t maxRun = 4096, std::int64_t tileElements = 16384) {
    return LoopNest(loopsOver<K>(dims, strides), maxRun, tileElements);
  }

  std::int64_t tiles() const { return empty_ ? 0 : (units_ + unitsPerTile_ - 1) / unitsPerTile_; }
  /// How the operands step within a run.
  const Offsets& runStrides() const { return run_.strides; }
  bool runIsContiguous() const {
    return std::all_of(run_.strides.begin(), run_.strides.end(),
                       [](std::int64_t stride) { return stride == 1; });
  }

  /// Calls f(offsets, count) for each run of the tile.
  template <class F>
  void run(std::int64_t tile, F&& f) const {
    std::int64_t unit = tile * unitsPerTile_;
    std::int64_t end = std::min(units_, unit + unitsPerTile_);
    std::array<std::int64_t, 2 * Dims::kMaxRank> index{};
    Offsets base{};
    std::int64_t chunk = unit % chunks_, rest = unit / chunks_;
    for (std::size_t i = outer_.size(); i-- > 0;) {
      index[i] = rest % outer_[i].count;
      rest /= outer_[i].count;
      for (std::size_t k = 0; k < K; ++k) base[k] += index[i] * outer_[i].strides[k];
    }
    for (; unit < end; ++unit) {
      Offsets offsets = base;
      std::int64_t first = chunk * chunk_;
      for (std::size_t k = 0; k < K; ++k) offsets[k] += first * run_.strides[k];
      f(offsets, std::min(chunk_, run_.count - first));
      if (++chunk < chunks_) continue;
      chunk = 0;
      for (std::size_t i = outer_.size(); i-- > 0;) {
        const Loop& loop = outer_[i];
        std::int64_t step = ++index[i] == loop.count ? 1 - loop.count : 1;
        for (std::size_t k = 0; k < K; ++k) base[k] += step * loop.strides[k];
        if (step == 1) break;
        index[i] = 0;
      }
    }
  }

  /// All tiles, one after the other.
  template <class F>
  void runAll(F&& f) const {
    for (std::int64_t tile = 0; tile < tiles(); ++tile) run(tile, f);
  }

 private:
  bool empty_ = false;
  std::vector<Loop> outer_;
  Loop run_{1, filledWithOnes()};
  std::int64_t chunk_ = 1, chunks_ = 1, units_ = 1, unitsPerTile_ = 1;

  static constexpr Offsets filledWithOnes() {
    Offsets ones{};
    for (std::int64_t& stride : ones) stride = 1;
    return ones;
  }
};

}  // namespace layerwise::cpu
