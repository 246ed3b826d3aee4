#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Several kernels as one, at the level of PTX text, which is what NVIDIA's driver gives as a
/// program's binary. Text to text: no OpenCL here.
///
/// The merged kernel is launched with as many groups as are resident at once. Among its parameters
/// is a table, a record a step. The resident groups run each step's groups ("virtual" ones) in
/// turn, and all meet at a barrier after a step. What a step's kernel takes as numbers stands in
/// its record; buffers are parameters of the merged kernel, and the record holds which. So one
/// program serves any sequence of steps by the same kernels.
namespace layerwise::opencl {

/// A parameter of a kernel and where a step's record holds it.
struct PtxParameter {
  std::string name;
  std::size_t offset = 0, bytes = 0;
  bool isBuffer = false;  ///< the record holds 8 times the buffer's number
};

/// A kernel of a module, taken apart.
struct PtxKernel {
  struct Shared {
    std::string name;
    std::size_t offset = 0;
  };
  std::string version, target;  ///< of the module
  std::array<std::size_t, 3> local{1, 1, 1};
  std::vector<PtxParameter> parameters;
  std::size_t parameterBytes = 0;
  std::vector<Shared> shared;
  std::size_t sharedBytes = 0;
  bool hasBarriers = false;
  std::vector<std::string> constants;  ///< the module's tables: whole definitions
  std::vector<std::string> body;       ///< line by line

  std::size_t threads() const { return local[0] * local[1] * local[2]; }
};

/// Throws Error kUnsupported saying what cannot be merged, where there is such a thing in the
/// kernel or beside it; kBadFile where there is no such kernel.
PtxKernel parsePtx(std::string_view module, std::string_view entry,
                   const std::array<std::size_t, 3>& local);

/// The size of resident groups, and how many of them a multiprocessor holds for certain.
struct ResidentShape {
  int threads = 128;
  int groupsPerUnit = 3;
  auto operator<=>(const ResidentShape&) const = default;
};

/// How many groups of a kernel a resident group runs at once: as many as its threads and local
/// memory are enough for.
std::size_t slotsOf(const PtxKernel& kernel, const ResidentShape& shape);

/// A step's record: this, then what the kernel takes, as PtxKernel::parameters places it.
struct MergedStep {
  std::uint32_t kernel = 0;
  std::uint32_t groups = 0;  ///< virtual ones
  std::uint32_t sizeX = 1, sizeY = 1;
  std::uint32_t perX = 0, perY = 0;  ///< mergedInverse of the sizes
  std::uint32_t flags = 0;
  std::uint32_t bytes = 0;  ///< to the next record, a multiple of 16

  static constexpr std::uint32_t kLast = 1;
  /// A group that waits for the others for seconds stops the kernel with an error; without this it
  /// ends quietly, results being wrong.
  static constexpr std::uint32_t kTraps = 2;
};

/// What a quotient by `size` multiplies with; exact for numbers below 2^32 / size.
constexpr std::uint32_t mergedInverse(std::uint32_t size) {
  return size == 1 ? 0 : static_cast<std::uint32_t>(((std::uint64_t{1} << 32) + size - 1) / size);
}

/// Bytes of local memory that a group may have, and of memory that the barrier takes.
constexpr std::size_t kMostSharedBytes = 48 * 1024, kMergedBarrierBytes = 4096;
/// Bytes behind the last step's record that are read ahead.
constexpr std::size_t kMergedTableMargin = 1024;

/// A module with one kernel, "merged", that takes the table of steps by value, so many bytes, the
/// barrier's memory (0 before the first run), and so many buffers. A kernel's threads fit into a
/// resident group, in whole warps.
std::string mergePtx(std::span<const PtxKernel> kernels, std::size_t tableBytes,
                     std::size_t buffers, const ResidentShape& shape);

}  // namespace layerwise::opencl
