#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/ptx_merge.h"
#include "backends/opencl/step.h"

namespace layerwise::opencl {

/// A launch and the number of its step, which is where a failure is reported.
struct PlacedLaunch {
  const Launch* launch = nullptr;
  std::size_t step = 0;
};

/// Consecutive launches as one (nvidia/ptx_merge.h).
struct MergedLaunch {
  std::size_t begin = 0, end = 0;  ///< which of the launches
  std::shared_ptr<const Program> program;
  /// What its kernel takes: the table, the barrier, buffers (each what a launch says of it, whose
  /// offset stands in the table).
  std::vector<std::byte> table;
  std::vector<Argument> buffers;
  std::size_t groups = 0, threads = 0;

  static constexpr const char* kKernel = "merged";
};

struct MergeOptions {
  ResidentShape shape;
  /// Launches with more groups than so many rounds of what is resident stay apart; 0: none do.
  /// They would gain from as many groups as fit.
  std::size_t rounds = 0;
  /// Whether programs are built, which takes seconds; otherwise launches are merged only where the
  /// program is there.
  bool builds = true;
  /// MergedStep::kTraps.
  bool traps = true;
};

/// Which of these launches become one, several times where some cannot be merged: kernels whose
/// groups are larger than the resident ones or no whole warps, or that hold what nvidia/ptx_merge.h
/// refuses. Throws Error kDevice where a program does not build.
std::vector<MergedLaunch> mergeLaunches(const Device& device,
                                        std::span<const PlacedLaunch> launches,
                                        const MergeOptions& options);

}  // namespace layerwise::opencl
