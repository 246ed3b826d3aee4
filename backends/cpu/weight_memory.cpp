#include "backends/cpu/weight_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "backends/cpu/cache_sizes.h"
#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kOverrun = 64;
constexpr std::size_t kLargePage = 2 << 20;
constexpr std::size_t kSmallPage = 4096;   // or more
constexpr std::size_t kRegion = 64 << 20;  // of addresses; memory is what was touched

constexpr std::size_t roundUp(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

/// Gives the whole small pages in [begin, end) back; they read as zeros.
void release(std::byte* begin, std::byte* end) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = roundUp(reinterpret_cast<std::uintptr_t>(begin), page);
  const std::uintptr_t to = reinterpret_cast<std::uintptr_t>(end) / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

/// Addresses that begin at a large page, handed out from their start.
class Region {
 public:
  explicit Region(std::size_t bytes) : mappedBytes_(bytes + kLargePage) {
    mapped_ = ::mmap(nullptr, mappedBytes_, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped_ == MAP_FAILED)
      throw Error(ErrorCode::kOutOfMemory,
                  fmt::format("[cpu] {} bytes of memory were refused", bytes));
    const auto begin = roundUp(reinterpret_cast<std::uintptr_t>(mapped_), kLargePage);
    next_ = reinterpret_cast<std::byte*>(begin);
    end_ = next_ + bytes;
    ::madvise(next_, bytes, MADV_HUGEPAGE);
  }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region() { ::munmap(mapped_, mappedBytes_); }

  /// nullptr where it is full.
  std::byte* take(std::size_t bytes) {
    const std::size_t size = roundUp(bytes + kOverrun, kLine);
    if (size > static_cast<std::size_t>(end_ - next_)) return nullptr;
    std::byte* piece = next_;
    next_ += size;
    return piece;
  }
  void trim() { release(next_, std::min(end_, next_ + kLargePage)); }

 private:
  void* mapped_;
  std::size_t mappedBytes_;
  std::byte *next_, *end_;
};

std::mutex mutex;
// Pieces keep them. Each thread has one: two that touch a large page first clear it both.
std::map<std::thread::id, std::weak_ptr<Region>> current;

std::pair<std::shared_ptr<Region>, std::byte*> take(std::size_t bytes) {
  std::lock_guard lock(mutex);
  std::weak_ptr<Region>& own = current[std::this_thread::get_id()];
  std::shared_ptr<Region> region = own.lock();
  if (region) {
    if (std::byte* piece = region->take(bytes)) return {std::move(region), piece};
    region->trim();
  }
  region = std::make_shared<Region>(std::max(kRegion, roundUp(bytes + 2 * kLine, kLargePage)));
  own = region;
  std::byte* piece = region->take(bytes);
  return {std::move(region), piece};
}

}  // namespace

bool keepsClearedPages() {
  static const bool keeps = cacheSizes().l2 >= static_cast<std::int64_t>(kLargePage);
  return keeps;
}

WeightMemory::WeightMemory(std::size_t bytes) : size_(bytes) {
  if (!bytes) return;
  auto [region, piece] = take(bytes);
  if (!keepsClearedPages())
    for (std::size_t i = 0; i < bytes; i += kSmallPage) piece[i] = std::byte{0};
  bytes_ = {piece, [region = std::move(region), bytes](std::byte* begin) {
              release(begin, begin + bytes);
            }};
}

void WeightMemory::trim() {
  std::lock_guard lock(mutex);
  std::erase_if(current, [](const auto& of) {
    if (const std::shared_ptr<Region> region = of.second.lock()) {
      region->trim();
      return false;
    }
    return true;
  });
}

}  // namespace layerwise::cpu
