#include "apps/common/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "layerwise/error.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(std::string_view role, const std::string& path, std::string_view what,
                       int error = errno) {
  throw Error(ErrorCode::kIo,
              fmt::format("[{} {}] {}: {}", role, path, what, std::strerror(error)));
}

}  // namespace

std::string readText(const std::string& path, std::string_view role, std::size_t limit) {
  std::error_code error;
  if (fs::is_directory(path, error))
    throw Error(ErrorCode::kIo, fmt::format("[{} {}] is a folder, not a file", role, path));
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(role, path, "cannot be opened");
  std::string text;
  char block[1 << 16];
  while (file.read(block, sizeof block), file.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(file.gcount()));
    if (text.size() > limit)
      throw Error(ErrorCode::kBadFile,
                  fmt::format("[{} {}] is larger than {} bytes", role, path, limit));
  }
  if (file.bad()) fail(role, path, "cannot be read");
  return text;
}

void writeFile(const std::string& path, std::string_view bytes, std::string_view role) {
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty()) makeFolder(parent.string(), role);
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw Error(ErrorCode::kIo, fmt::format("[{} {}] is a folder, not a file", role, path));
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    std::ofstream device(path, std::ios::binary);  // a pipe, /dev/stdout
    if (!device.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush())
      fail(role, path, "cannot be written");
    return;
  }
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) fail(role, path, "cannot be written");
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      ::close(file);
      ::unlink(temporary.c_str());
      fail(role, path, "cannot be written", error);
    }
    done += static_cast<std::size_t>(written);
  }
  if (::close(file) != 0 || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail(role, path, "cannot be written", error);
  }
}

void makeFolder(const std::string& path, std::string_view role) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(role, path, "the folder cannot be made", error.value());
  if (!fs::is_directory(path, error))
    throw Error(ErrorCode::kIo, fmt::format("[{} {}] is a file, a folder is needed", role, path));
}

std::string firstBytes(const std::string& path, std::size_t count) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return {};
  std::ifstream file(path, std::ios::binary);
  std::string bytes(count, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

std::string extensionOf(const std::string& path) {
  const fs::path name(path);
  std::string extension = name.extension().string();
  if (extension == ".gz") extension = name.stem().extension().string() + extension;
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

}  // namespace layerwise::apps
