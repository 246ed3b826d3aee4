#include "layerwise/timing_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "folder_test_case.h"
#include "layerwise/error.h"

namespace layerwise::test {
namespace {

class TimingCacheFile : public FolderTest {
 protected:
  std::string path(const std::string& name = "cache.txt") const { return FolderTest::path(name); }
  std::string write(const std::string& text) const { return FolderTest::write("cache.txt", text); }
};

TEST_F(TimingCacheFile, GivesBackWhatWasSavedToTheLastBit) {
  TimingCache cache;
  cache.insert("convolution 1x3x640x640 k=6 avx512", 1.0 / 3);
  cache.insert("a key = with \t \"everything\" å", 1e-7);
  cache.insert("zero", 0);
  cache.save(path());
  TimingCache again;
  again.load(path());
  EXPECT_EQ(again.size(), 3u);
  EXPECT_EQ(again.find("convolution 1x3x640x640 k=6 avx512"), 1.0 / 3);
  EXPECT_EQ(again.find("a key = with \t \"everything\" å"), 1e-7);
  EXPECT_EQ(again.find("zero"), 0.0);
  EXPECT_FALSE(again.find("another"));
  again.save(path("again.txt"));
  std::ifstream a(path()), b(path("again.txt"));
  EXPECT_TRUE(
      std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {}));
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    EXPECT_NE(entry.path().extension(), ".tmp");
}

TEST_F(TimingCacheFile, AMissingFileAddsNothing) {
  TimingCache cache;
  cache.load(path("missing"));
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TimingCacheFile, AnotherFileIsRefused) {
  TimingCache cache;
  for (const char* text : {"", "3\nkernel 1 3f800000\n", "{}", "layerwise"}) {
    try {
      cache.load(write(text));
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadFile);
      EXPECT_TRUE(std::string_view(error.what()).starts_with("[timing cache " + path() + "]"));
    }
  }
  EXPECT_THROW(cache.load(folder_.string()), Error);
}

TEST_F(TimingCacheFile, AnotherVersionIsIgnored) {
  TimingCache cache;
  cache.load(write("layerwise timing cache 2\n0.5 key\n"));
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(TimingCacheFile, LinesThatAreNoEntriesAreSkipped) {
  TimingCache cache;
  cache.load(
      write("layerwise timing cache 1\r\n"
            "0.5 good\r\n\n# comment\nabc key\n-1 negative\nnan nan\ninf infinite\n1e999 huge\n"
            "0.5\n0.5 \n0.25 last line without end"));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.find("good"), 0.5);
  EXPECT_EQ(cache.find("last line without end"), 0.25);
}

TEST_F(TimingCacheFile, WhatIsMeasuredHereWins) {
  TimingCache mine, other;
  mine.insert("both", 1);
  other.insert("both", 2);
  other.insert("other", 3);
  other.save(path());
  mine.merge(other);
  mine.merge(mine);
  EXPECT_EQ(mine.find("both"), 1.0);
  EXPECT_EQ(mine.find("other"), 3.0);
  TimingCache loaded;
  loaded.insert("both", 4);
  loaded.load(path());
  EXPECT_EQ(loaded.find("both"), 4.0);
  loaded.insert("both", 5);
  EXPECT_EQ(loaded.find("both"), 5.0);
}

TEST(TimingCache, KeysAreOneLine) {
  TimingCache cache;
  EXPECT_THROW(cache.insert("two\nlines", 1), Error);
  EXPECT_THROW(cache.insert("", 1), Error);
}

TEST(TimingCache, ConcurrentCalls) {
  TimingCache a, b;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        (t % 2 ? a : b).insert(std::to_string(t) + ":" + std::to_string(i), i);
        (t % 2 ? a : b).merge(t % 2 ? b : a);
        a.find("0:0");
      }
    });
  for (std::thread& thread : threads) thread.join();
  a.merge(b);
  EXPECT_EQ(a.size(), 800u);
}

}  // namespace
}  // namespace layerwise::test
