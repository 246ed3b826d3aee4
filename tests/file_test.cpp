#include "files/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "folder_test_case.h"
#include "layerwise/error.h"

namespace layerwise::test {
namespace {

namespace fs = std::filesystem;

class File : public FolderTest {
 protected:
  std::size_t filesInFolder() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
};

std::string contents(const std::string& path) {
  return std::string(MappedFile(path).bytes());
}

/// How many bytes of the process's memory are pages of mapped files.
std::size_t residentFileBytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, resident = 0, shared = 0;
  statm >> size >> resident >> shared;
  return shared * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::string messageOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    return error.what();
  }
  return "no error";
}

TEST_F(File, AppearsOnCommitOnly) {
  {
    AtomicFile file(path("a"));
    file.write("hello ");
    file.write("world");
    EXPECT_FALSE(fs::exists(path("a")));
    file.commit();
    EXPECT_EQ(contents(path("a")), "hello world");
  }
  EXPECT_EQ(contents(path("a")), "hello world");
  EXPECT_EQ(filesInFolder(), 1u);
}

TEST_F(File, WritesPiecesOfAllSizes) {
  AtomicFile file(path("a"));
  std::string expected;
  for (std::size_t size : {1u, 4095u, 4u << 20, 0u, (4u << 20) - 4096u, 9u << 20, 3u}) {
    std::string piece(size, '\0');
    for (std::size_t i = 0; i < size; ++i) piece[i] = static_cast<char>(expected.size() + 7 * i);
    file.write(piece);
    expected += piece;
  }
  file.commit();
  EXPECT_TRUE(contents(path("a")) == expected);
}

TEST_F(File, WithoutCommitLeavesTheOldFileAlone) {
  write("a", "old");
  {
    AtomicFile file(path("a"));
    file.write("new");
  }
  EXPECT_EQ(contents(path("a")), "old");
  EXPECT_EQ(filesInFolder(), 1u);
}

TEST_F(File, ReplacesWhileMapped) {
  write("a", "old");
  const MappedFile mapped(path("a"));
  AtomicFile file(path("a"));
  file.commit();
  EXPECT_EQ(mapped.bytes(), "old");
  EXPECT_EQ(contents(path("a")), "");
}

TEST_F(File, ReleasesPagesThatComeBackWhenTheyAreTouched) {
  constexpr std::size_t kSize = 8 << 20;
  const std::string bytes(kSize, 'x');
  write("a", bytes);
  const MappedFile mapped(path("a"));
  ASSERT_EQ(mapped.bytes(), bytes);
  const std::size_t before = residentFileBytes();
  mapped.release(mapped.data() + 100, kSize - 200);
  EXPECT_LT(residentFileBytes() + kSize / 2, before);
  EXPECT_EQ(mapped.bytes(), bytes);
  mapped.release(bytes.data(), bytes.size());  // not the file's: nothing happens to it
  EXPECT_EQ(bytes, std::string(kSize, 'x'));
}

TEST_F(File, TwoWritersOfOneTargetDoNotMix) {
  AtomicFile first(path("a")), second(path("a"));
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(contents(path("a")), "second");
  EXPECT_EQ(filesInFolder(), 1u);
}

TEST_F(File, FollowsLinks) {
  write("target", "old");
  fs::create_symlink(path("target"), path("link"));
  AtomicFile file(path("link"));
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(contents(path("target")), "new");
}

TEST_F(File, RespectsTheUmask) {
  const mode_t old = ::umask(027);
  AtomicFile file(path("a"));
  file.commit();
  ::umask(old);
  struct stat status {};
  ASSERT_EQ(::stat(path("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(File, RefusesWhatIsNoRegularFile) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(messageOf([&] { AtomicFile file(path("")); }), "[file " + path("") + "] is a folder");
  EXPECT_EQ(messageOf([&] { AtomicFile file("/dev/null", "engine"); }),
            "[engine /dev/null] is not a regular file");
  EXPECT_EQ(messageOf([&] { MappedFile file(path("")); }), "[file " + path("") + "] is a folder");
  EXPECT_EQ(messageOf([&] { MappedFile file(path("pipe")); }),
            "[file " + path("pipe") + "] is not a regular file");
  EXPECT_EQ(messageOf([&] { MappedFile file(path("none"), "weights"); }),
            "[weights " + path("none") + "] cannot be opened: No such file or directory");
  EXPECT_EQ(messageOf([&] { AtomicFile file(path("none/a")); }),
            "[file " + path("none/a") + "] cannot be created: No such file or directory");
}

TEST_F(File, MovesItsMapping) {
  write("a", "text");
  write("empty", "");
  MappedFile file(path("a"));
  MappedFile other(std::move(file));
  EXPECT_EQ(other.bytes(), "text");
  EXPECT_EQ(file.size(), 0u);
  other = MappedFile(path("empty"));
  EXPECT_EQ(other.size(), 0u);
}

}  // namespace
}  // namespace layerwise::test
