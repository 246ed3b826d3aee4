#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace layerwise {

/// A step of a program as the plan sees it. Tensors are numbered from 0.
struct BatchAction {
  struct Access {
    int tensor = 0;
    double imageBytes = 0;
  };
  bool imageByImage = false;  ///< may run on a part of the batch
  double flops = 0;           ///< an image
  double weightBytes = 0;
  std::vector<Access> reads, writes;
};

/// Consecutive steps that the workers share, all on the whole batch, or that run in lanes: a worker
/// takes a few images through all of them, then the next few, beside the other workers.
struct BatchSegment {
  int first = 0, end = 0;   ///< of the actions
  std::int64_t images = 0;  ///< a lane's, the last one's perhaps fewer; the batch: no lanes
};

struct BatchResources {
  std::int64_t batch = 1;
  int workers = 1;
  std::size_t nearBytes = 0;  ///< of a worker's private caches
};

/// Divides the steps of a program into segments that cover them in order. Lanes save the barriers
/// between steps, and the tensors between them stay in the private caches where those of a lane fit
/// these; but each lane reads all weights again, and a number of lanes that the workers do not
/// divide leaves some of them idle. `external[tensor]`: the caller's.
std::vector<BatchSegment> planBatch(const std::vector<BatchAction>& actions,
                                    const std::vector<bool>& external,
                                    const BatchResources& resources);

}  // namespace layerwise
