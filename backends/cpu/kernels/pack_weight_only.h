#pragma once

#include "backends/cpu/kernels/pack_lanes.h"
#include "backends/cpu/weight_only.h"

namespace layerwise::cpu {
namespace {

// What turns weights into a panel of WeightOnly. The outputs lie in the lanes of vectors; there are
// no fused products, so that the bits are the same on every instruction set.
template <class V>
class WeightOnlyPacking {
  using Reg = typename V::Reg;
  static constexpr int kGroup = WeightOnly::kGroup;
  static_assert(kGroup % V::kWidth == 0 && WeightOnly::kPanelOutputs % kPackLanes == 0);

 public:
  static bool fits(const float* weights, int64_t depth, int64_t outputs) {
    for (int64_t o = 0; o < outputs; o += kPackLanes)
      if (!laneFits(weights + o * depth, depth, outputs - o)) return false;
    return true;
  }

  static void pack(const float* weights, int64_t depth, int64_t outputs, uint8_t* panel) {
    // Some rows of weights at a time, which the hardware's prefetch can follow.
    for (int o = 0; o < WeightOnly::kPanelOutputs; o += kPackLanes) {
      uint8_t* to = panel + o;
      for (int64_t k = 0; k < depth; k += kGroup) {
        const int inputs = inputsOf(depth, k);
        auto* scales = reinterpret_cast<uint16_t*>(to + o);
        to += WeightOnly::kPanelOutputs * sizeof(uint16_t);
        float group[kGroup][kPackLanes];
        loadLanes<V>(weights + o * depth + k, 4 * depth, outputs - o, inputs, group);
        for (int l = 0; l < kPackLanes; l += V::kWidth)
          quantize(group, l, inputs, scales + l, to + l);
        to += WeightOnly::kPanelOutputs * inputs;
      }
    }
  }

 private:
  static int inputsOf(int64_t depth, int64_t first) {
    return static_cast<int>(depth - first < kGroup ? depth - first : kGroup);
  }

  // Errors are evenly spread over a step, so that their mean square is step^2 / 12.
  static bool laneFits(const float* weights, int64_t depth, int64_t outputs) {
    constexpr float kShare = 1.0f / (12 * 127 * 127);
    alignas(64) float largest[kPackLanes] = {}, signal[kPackLanes] = {}, noise[kPackLanes] = {};
    for (int64_t k = 0; k < depth; k += kGroup) {
      const int inputs = inputsOf(depth, k);
      float group[kGroup][kPackLanes];
      loadLanes<V>(weights + k, 4 * depth, outputs, inputs, group);
      for (int l = 0; l < kPackLanes; l += V::kWidth) {
        Reg most = V::zero(), squares = V::zero();
        for (int i = 0; i < inputs; ++i) {
          const Reg w = V::load(&group[i][l]);
          most = V::max(most, V::abs(w));
          squares = V::add(squares, V::mul(w, w));
        }
        const Reg step = V::mul(V::mul(most, most), V::set1(kShare * static_cast<float>(inputs)));
        V::store(signal + l, V::add(V::load(signal + l), squares));
        V::store(noise + l, V::add(V::load(noise + l), step));
        V::store(largest + l, V::max(V::load(largest + l), most));
      }
    }
    for (int l = 0; l < kPackLanes && l < outputs; ++l) {
      if (signal[l] == 0 && largest[l] == 0) continue;
      // Written so that NaN does not fit.
      const bool ordinary =
          largest[l] >= WeightOnly::kSmallest && largest[l] <= WeightOnly::kLargest;
      if (!ordinary || !(noise[l] <= WeightOnly::kMostNoise * signal[l])) return false;
    }
    return true;
  }

  // The scale is of some from the least on that which leaves the smallest squares of errors. Then
  // where a weight is rounded up moves by as much for all as keeps their sum, or nearly: inputs
  // that are all positive, as after ReLU, have much in common.
  static void quantize(const float (&group)[kGroup][kPackLanes], int lane, int inputs,
                       uint16_t* scales, uint8_t* bytes) {
    constexpr int kScales = 4, kShifts = 2;
    const auto weight = [&](int i) { return V::load(&group[i][lane]); };
    Reg largest = V::zero();
    for (int i = 0; i < inputs; ++i) largest = V::max(largest, V::abs(weight(i)));
    // Rounded up; no denormal number.
    const Reg exact = V::max(V::mul(largest, V::set1(1 / 127.49f)), V::set1(0x1p-126f));
    const Reg least = V::oddBFloat16(V::addIndex(V::bitsOf(exact), V::setIndex(0xffff)));
    Reg scale = least, fewest = V::set1(__builtin_inff()), tried = least;
    for (int s = 0; s < kScales; ++s) {
      const Reg inverse = V::div(V::set1(1), tried), ratio = V::div(tried, least);
      Reg squares = V::zero();
      for (int i = 0; i < inputs; ++i) {
        const Reg steps = V::mul(weight(i), inverse), error = V::sub(V::round(steps), steps);
        squares = V::add(squares, V::mul(error, error));
      }
      squares = V::mul(squares, V::mul(ratio, ratio));
      scale = V::selectLess(squares, fewest, tried, scale);
      fewest = V::min(squares, fewest);
      tried = V::oddBFloat16(V::addIndex(V::bitsOf(tried), V::setIndex(0x10000)));
    }
    const Reg inverse = V::div(V::set1(1), scale);
    const auto rounded = [&](Reg steps, Reg shift) {
      const Reg nearest = V::round(V::add(steps, shift));
      return V::max(V::min(nearest, V::set1(127)), V::set1(-127));
    };
    Reg shift = V::zero(), best = shift, fewestSteps = V::set1(__builtin_inff());
    const Reg share = V::set1(1 / static_cast<float>(inputs));
    for (int s = 0; s <= kShifts; ++s) {
      Reg sum = V::zero();
      for (int i = 0; i < inputs; ++i) {
        const Reg steps = V::mul(weight(i), inverse);
        sum = V::add(sum, V::sub(rounded(steps, shift), steps));
      }
      best = V::selectLess(V::abs(sum), fewestSteps, shift, best);
      fewestSteps = V::min(V::abs(sum), fewestSteps);
      shift = V::sub(shift, V::mul(sum, share));
    }
    V::storeBFloat16(scales, scale, V::kWidth);
    for (int i = 0; i < inputs; ++i) {
      const Reg q = rounded(V::mul(weight(i), inverse), best);
      const Reg byte = V::selectLess(q, V::zero(), V::add(q, V::set1(256)), q);
      V::storeBytes(bytes + i * WeightOnly::kPanelOutputs, V::toInt(byte), V::kWidth);
    }
  }
};

}  // namespace
}  // namespace layerwise::cpu
