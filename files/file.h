#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace layerwise {

/// A regular file's bytes, mapped read-only: pages come from disk when they are first touched, and
/// processes that map the same file share them. A file must not shrink while it is mapped (the
/// library itself only ever replaces files by renaming, which leaves a mapping whole).
class MappedFile {
 public:
  /// Throws Error kIo for what is missing, unreadable, a directory, a pipe or a device. `role`
  /// opens the message: `[weights x.wts] cannot be opened: No such file or directory`.
  explicit MappedFile(const std::string& path, std::string_view role = "file");
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const char* data() const { return data_; }  ///< page-aligned; null for an empty file
  std::size_t size() const { return size_; }
  std::string_view bytes() const { return {data_, size_}; }
  /// Takes the whole pages within these bytes of it out of the process's memory until they are
  /// touched again. Bytes that are not the file's are left alone.
  void release(const void* begin, std::size_t size) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file that appears whole or not at all: it is written under a temporary name beside its target
/// and renamed by commit(). Without commit() the destructor removes it; a process killed half way
/// leaves `<path>.<process>-<number>.tmp` and the old target untouched.
class AtomicFile {
 public:
  /// Throws Error kIo where the folder cannot be written, or the target exists and is not a regular
  /// file. A link is followed, so that the file it points to is replaced and the link stays.
  explicit AtomicFile(const std::string& path, std::string_view role = "file");
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Throws Error kIo (disk full, quota, ...), or commit() does.
  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  void flush();
  [[noreturn]] void fail(const char* what) const;

  std::string label_;  ///< "role path", for messages
  std::string target_;
  std::string temporary_;
  int descriptor_ = -1;
  std::string gathered_;
};

}  // namespace layerwise
