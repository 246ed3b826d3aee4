#include "files/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "layerwise/error.h"

namespace layerwise {
namespace {

Error ioError(std::string_view label, std::string_view what) {
  return Error(ErrorCode::kIo, fmt::format("[{}] {}", label, what));
}

Error ioErrno(std::string_view label, std::string_view what, int code) {
  return ioError(label, fmt::format("{}: {}", what, std::generic_category().message(code)));
}

// Written at once, to a multiple of it: whole large pages of the cache, which whoever maps the file
// then gets.
constexpr std::size_t kTogether = 4 << 20;

const char* kindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "is a folder";
  return "is not a regular file";
}

}  // namespace

MappedFile::MappedFile(const std::string& path, std::string_view role) {
  const std::string label = fmt::format("{} {}", role, path);
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw ioErrno(label, "cannot be opened", errno);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    const int code = errno;
    ::close(descriptor);
    throw ioErrno(label, "cannot be examined", code);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw ioError(label, kindOf(status.st_mode));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED) {
      const int code = errno;
      ::close(descriptor);
      throw ioErrno(label, "cannot be mapped", code);
    }
    // So that what comes from disk is cached in large pages, where the file system has them: one
    // page fault for each.
    ::madvise(mapped, size_, MADV_HUGEPAGE);
    data_ = static_cast<const char*>(mapped);
  }
  ::close(descriptor);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

void MappedFile::release(const void* begin, std::size_t size) const {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto file = reinterpret_cast<std::uintptr_t>(data_);
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  if (first < file || first + size > file + size_) return;
  const std::uintptr_t from = (first + page - 1) / page * page, to = (first + size) / page * page;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AtomicFile::AtomicFile(const std::string& path, std::string_view role)
    : label_(fmt::format("{} {}", role, path)), target_(path) {
  if (path.empty()) throw ioError(label_, "no file name given");
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    // Renaming over a device node would replace the device.
    if (!S_ISREG(status.st_mode)) throw ioError(label_, kindOf(status.st_mode));
    std::error_code code;
    const std::filesystem::path real = std::filesystem::canonical(path, code);
    if (code) throw ioErrno(label_, "cannot be resolved", code.value());
    target_ = real.string();
  }
  static std::atomic<unsigned> number{0};
  do {
    temporary_ = fmt::format("{}.{}-{}.tmp", target_, ::getpid(), number++);
    // 0666, which the umask narrows, as for any file a program creates.
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail("cannot be created");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const std::size_t some = std::min(size, kTogether - gathered_.size());
    gathered_.append(bytes, some);
    bytes += some;
    size -= some;
    if (gathered_.size() == kTogether) flush();
  }
}

void AtomicFile::flush() {
  for (std::string_view left = gathered_; !left.empty();) {
    const ssize_t written = ::write(descriptor_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  gathered_.clear();
}

void AtomicFile::commit() {
  flush();
  // Some file systems report a full disk only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot be written");
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot be put in place");
  temporary_.clear();
}

void AtomicFile::fail(const char* what) const {
  throw ioErrno(label_, what, errno);
}

}  // namespace layerwise
