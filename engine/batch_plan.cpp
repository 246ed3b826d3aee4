#include "engine/batch_plan.h"

#include <algorithm>
#include <limits>

namespace layerwise {
namespace {

// A worker's seconds, from the steps of ResNet-18 and ResNet-50, eight images at once against one
// at a time, on a machine with 1 MB of private cache a core and 32 MB that they share.
constexpr double kFarByte = 70e-12, kWeightByte = 31e-12, kOperation = 2.5e-12, kBarrier = 8e-6;
// Where a step touches so many times what the near memory holds, nothing is found there again.
constexpr double kFarFrom = 8;

class Planner {
 public:
  Planner(const std::vector<BatchAction>& actions, const std::vector<bool>& external,
          const BatchResources& resources)
      : actions_(actions),
        batch_(resources.batch),
        workers_(resources.workers),
        near_(static_cast<double>(resources.nearBytes)),
        imageBytes_(actions.size(), 0),
        firstUse_(external.size(), kNever),
        lastUse_(external.size(), -1) {
    for (int i = 0; i < count(); ++i)
      for (const auto* list : {&action(i).reads, &action(i).writes})
        for (const BatchAction::Access& access : *list) {
          imageBytes_[static_cast<std::size_t>(i)] += access.imageBytes;
          auto tensor = static_cast<std::size_t>(access.tensor);
          firstUse_[tensor] = external[tensor] ? -1 : std::min(firstUse_[tensor], i);
          lastUse_[tensor] = external[tensor] ? kNever : i;
        }
  }

  std::vector<BatchSegment> plan() {
    best_.assign(static_cast<std::size_t>(count()) + 1,
                 {std::numeric_limits<double>::infinity(), {}});
    best_[0].seconds = 0;
    for (int first = 0; first < count(); ++first) {
      if (!action(first).imageByImage) {
        extend({first, first + 1, batch_}, 0);
        continue;
      }
      for (std::int64_t images = 1; images < batch_; images *= 2) growFrom(first, images);
      growFrom(first, batch_);
    }
    std::vector<BatchSegment> segments;
    for (int end = count(); end > 0; end = segments.back().first)
      segments.push_back(best_[static_cast<std::size_t>(end)].last);
    std::reverse(segments.begin(), segments.end());
    return segments;
  }

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();

  struct Best {
    double seconds;
    BatchSegment last;
  };

  int count() const { return static_cast<int>(actions_.size()); }
  const BatchAction& action(int i) const { return actions_[static_cast<std::size_t>(i)]; }

  /// How much of a step's tensors is far, 0 to 1, when each of some workers has so many images.
  double farShare(int step, double images) const {
    const double times = imageBytes_[static_cast<std::size_t>(step)] * images / near_;
    return std::clamp((times - 1) / (kFarFrom - 1), 0.0, 1.0);
  }

  /// The cost of all segments that begin at `first`, as long as they go. Of a worker's time: it
  /// goes through `turns` lanes, or once through its share of the batch.
  void growFrom(int first, std::int64_t images) {
    const bool lanes = images < batch_;
    const std::int64_t parts = (batch_ + images - 1) / images;
    const auto turns = lanes ? static_cast<double>((parts + workers_ - 1) / workers_) : 1;
    const double atATime = lanes ? static_cast<double>(images)
                                 : static_cast<double>(batch_) / static_cast<double>(workers_);
    const double farImage = kFarByte * turns * atATime;
    double seconds = lanes ? kBarrier : 0;
    std::vector<double> kept(static_cast<std::size_t>(count()), 0);  // by the last to read it
    for (int i = first; i < count() && action(i).imageByImage; ++i) {
      const double share = farShare(i, atATime);
      for (const BatchAction::Access& read : action(i).reads) {
        const bool inside = firstUse_[static_cast<std::size_t>(read.tensor)] >= first;
        seconds += farImage * read.imageBytes * (inside ? share : 1);
      }
      for (const BatchAction::Access& write : action(i).writes) {
        seconds += farImage * write.imageBytes;
        // Unless nobody needs it after this segment.
        const auto tensor = static_cast<std::size_t>(write.tensor);
        if (firstUse_[tensor] >= first && lastUse_[tensor] != kNever)
          kept[static_cast<std::size_t>(lastUse_[tensor])] +=
              farImage * write.imageBytes * (1 - share);
      }
      seconds -= kept[static_cast<std::size_t>(i)];
      // Weights are read ahead, while something is computed.
      seconds += turns * std::max(kOperation * action(i).flops * atATime,
                                  kWeightByte * action(i).weightBytes);
      if (!lanes && workers_ > 1) seconds += kBarrier;
      extend({first, i + 1, images}, seconds);
    }
  }

  void extend(const BatchSegment& segment, double seconds) {
    double total = best_[static_cast<std::size_t>(segment.first)].seconds + seconds;
    Best& best = best_[static_cast<std::size_t>(segment.end)];
    if (total < best.seconds) best = {total, segment};
  }

  const std::vector<BatchAction>& actions_;
  std::int64_t batch_;
  int workers_;
  double near_;
  std::vector<double> imageBytes_;       ///< by action: what an image's tensors take
  std::vector<int> firstUse_, lastUse_;  ///< by tensor
  std::vector<Best> best_;               ///< by the number of actions that are covered
};

}  // namespace

std::vector<BatchSegment> planBatch(const std::vector<BatchAction>& actions,
                                    const std::vector<bool>& external,
                                    const BatchResources& resources) {
  return Planner(actions, external, resources).plan();
}

}  // namespace layerwise
