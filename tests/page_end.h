#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <new>

namespace layerwise::test {

/// Memory of `bytes` bytes that end where the process may read no further, as a caller's memory
/// may: one byte more is a segmentation fault.
class PageEnd {
 public:
  explicit PageEnd(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    readable_ = (bytes + page - 1) / page * page;
    void* memory =
        mmap(nullptr, readable_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    whole_ = {static_cast<std::byte*>(memory), Unmap{readable_ + page}};
    if (mprotect(whole_.get() + readable_, page, PROT_NONE) != 0) throw std::bad_alloc();
    data_ = whole_.get() + readable_ - bytes;
  }

  std::byte* data() const { return data_; }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::byte* memory) const { munmap(memory, bytes); }
  };

  std::size_t readable_ = 0;
  std::unique_ptr<std::byte, Unmap> whole_{nullptr, Unmap{0}};
  std::byte* data_ = nullptr;
};

}  // namespace layerwise::test
