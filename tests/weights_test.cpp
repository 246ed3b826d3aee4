#include "layerwise/weights.h"

#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "files/file.h"
#include "weights_case.h"

namespace layerwise::test {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

const Bits kOneTwo = {0x3f800000, 0x40000000};

TEST_F(WeightMapTest, ReadsEveryVariant) {
  const std::string variants[] = {
      "1\na 2 3f800000 40000000\n",            // gen_wts.py
      "1\na 2  3f800000 40000000\n",           // two spaces before the values
      "1\na 2 3f800000 40000000 \n",           // trailing blanks
      "1 \na 2 3f800000 40000000",             // no final newline
      "1\r\na 2 3f800000 40000000\r\n",        // CRLF
      "1\r\na 2  3f800000 40000000 \r\n\r\n",  //
      "1\na 2 3F800000 40000000\n",            // upper case
      "1\na 2 0x3f800000 0X40000000\n",        // prefixes
      "1\na 2 3f800000 0x40000000\n",          //
      "1\na 2 0x3f800000 40000000",            //
      "1\na 2 3f800000  40000000\n",           // blanks anywhere
      "1\na\t2\t3f800000\t40000000\n",         //
      "\n1\n\na 2 3f800000 40000000\n\n\n",    // blank lines
  };
  for (const std::string& text : variants) {
    for (const std::string& file : {write(text), write(text, "x.weights"), write(gzip(text))}) {
      WeightMap map = WeightMap::load(file);
      ASSERT_EQ(map.keys(), std::vector<std::string>{"a"}) << text;
      EXPECT_EQ(bitsOf(map.at("a")), kOneTwo) << text;
    }
  }
}

TEST_F(WeightMapTest, ReadsWordsWithoutLeadingZeros) {
  WeightMap map = parse("2\na 8 0 1 12 123 1234 12345 123456 1234567\nb 3 0 3f800000 0\n");
  EXPECT_EQ(bitsOf(map.at("a")), (Bits{0, 0x1, 0x12, 0x123, 0x1234, 0x12345, 0x123456, 0x1234567}));
  EXPECT_EQ(bitsOf(map.at("b")), (Bits{0, 0x3f800000, 0}));
  EXPECT_EQ(bitsOf(parse("1\na 3 0x0 0x3f800000 0x7").at("a")), (Bits{0, 0x3f800000, 7}));
  EXPECT_EQ(bitsOf(parse("1\na 3 0 3f800000 0").at("a")), (Bits{0, 0x3f800000, 0}));
}

TEST_F(WeightMapTest, ReadsKeysOfEveryKind) {
  WeightMap map =
      parse("4\nblock/conv:0 1 3f800000\n0x1f 1 40000000\n12 1 40400000\nw\xc3\xb6rt 1 40800000\n");
  EXPECT_EQ(map.keys(), (std::vector<std::string>{"block/conv:0", "0x1f", "12", "w\xc3\xb6rt"}));
  EXPECT_EQ(bitsOf(map.at("w\xc3\xb6rt")), Bits{0x40800000});
}

TEST_F(WeightMapTest, ReadsEmptyTensorsAndEmptyFiles) {
  EXPECT_TRUE(parse("0\n").keys().empty());
  EXPECT_TRUE(parse("0").keys().empty());
  WeightMap map = parse("3\na 0\nb 0 \nc 0");
  EXPECT_EQ(map.keys(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(map.count("b"), 0);
  EXPECT_TRUE(map.at("c").empty());
  EXPECT_EQ(bitsOf(parse("2\na 0\nb 1 3f800000\n").at("b")), Bits{0x3f800000});
}

TEST_F(WeightMapTest, KeepsNanPayloads) {
  const Bits bits = {0x7fc00001, 0x7f800001, 0xffffffff, 0x80000000, 0x00000001, 0xff800000};
  WeightMap map = parse("1\na 6 7fc00001 7f800001 ffffffff 80000000 00000001 ff800000\n");
  EXPECT_EQ(bitsOf(map.at("a")), bits);
  map.save(path("again.wts"));
  EXPECT_EQ(bitsOf(WeightMap::load(path("again.wts")).at("a")), bits);
}

TEST_F(WeightMapTest, AlignsTensors) {
  WeightMap map = parse("3\na 1 3f800000\nb 17" + [] {
    std::string words;
    for (int i = 0; i < 17; ++i) words += " 3f800000";
    return words;
  }() + "\nc 1 3f800000\n");
  map.add("d", {1, 2, 3});
  for (const char* key : {"a", "b", "c", "d"})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(map.at(key).values) % 64, 0u) << key;
}

TEST_F(WeightMapTest, WeightsSurviveMoves) {
  WeightMap map = parse("1\na 2 3f800000 40000000\n");
  const Weights weights = map.at("a");
  WeightMap moved = std::move(map);
  WeightMap again;
  again = std::move(moved);
  for (int i = 0; i < 100; ++i) again.add(fmt::format("k{}", i), {0.0f});
  EXPECT_EQ(bitsOf(weights), kOneTwo);
}

TEST_F(WeightMapTest, ReadsGzipOfSeveralMembers) {
  write(gzip("1\na 2 3f8") + gzip("00000 40000000\n"));
  EXPECT_EQ(bitsOf(WeightMap::load(path()).at("a")), kOneTwo);
}

// Behind the last page of a mapping there is nothing: one byte too many read is a crash.
TEST_F(WeightMapTest, ReadsFilesThatFillTheirLastPage) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const std::string& word : {" 3f800000"s, " 0x3f800000"s, "  3f800000"s}) {
    const std::size_t count = (page - 40) / word.size();
    std::string values;
    for (std::size_t i = 0; i < count; ++i) values += word;
    const std::string rest = fmt::format(" {}{}", count, values);
    const std::string text = "1\n" + std::string(page - 2 - rest.size(), 'k') + rest;
    ASSERT_EQ(text.size(), page);
    WeightMap map = parse(text);
    EXPECT_EQ(bitsOf(map.at(map.keys()[0])), Bits(count, 0x3f800000));
  }
}

TEST_F(WeightMapTest, RoundTripsAtRandom) {
  std::mt19937 random(3);
  for (int round = 0; round < 8; ++round) {
    WeightMap map;
    const int tensors = static_cast<int>(random() % 30);
    for (int i = 0; i < tensors; ++i) {
      std::vector<float> values(random() % (i == 7 ? 300000 : 200));
      for (float& value : values)
        value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      map.add(fmt::format("layer.{}/w", i), std::move(values));
    }
    for (const char* name : {"a.wts", "a.wts.gz"}) {
      map.save(path(name));
      for (int threads : {1, 2, 5}) {
        WeightMap again = WeightMap::load(path(name), threads);
        ASSERT_EQ(again.keys(), map.keys());
        for (const std::string& key : map.keys())
          ASSERT_EQ(bitsOf(again.at(key)), bitsOf(map.at(key))) << key;
      }
    }
  }
}

// Every line form mixed in one text large enough for several threads and several pieces a line.
TEST_F(WeightMapTest, ReadsLargeMixedTextsOnSeveralThreads) {
  std::mt19937 random(5);
  std::ostringstream text;
  std::vector<Bits> expected;
  text << "24\n";
  for (int i = 0; i < 24; ++i) {
    Bits bits(i % 5 == 0 ? 150000 : random() % 20000);
    text << 't' << i << ' ' << bits.size() << (i % 2 != 0 ? " " : "");
    for (std::size_t k = 0; k < bits.size(); ++k) {
      bits[k] = static_cast<std::uint32_t>(random() >> (random() % 32));
      char word[16];
      const char* format = i % 4 == 3 ? " %x" : i % 4 == 2 && k % 1000 == 999 ? " 0x%08X" : " %08x";
      std::snprintf(word, sizeof word, format, bits[k]);
      text << word;
    }
    text << (i % 3 == 0 ? " \r\n" : "\n");
    expected.push_back(std::move(bits));
  }
  for (int threads : {1, 2, 7}) {
    WeightMap map = parse(text.str(), threads);
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_EQ(bitsOf(map.at(fmt::format("t{}", i))), expected[i]) << i;
  }
}

TEST_F(WeightMapTest, ReadsTheSharedFiles) {
  const fs::path folder = LAYERWISE_SOURCE_DIR "/../shared/data/weights";
  if (!fs::is_directory(folder)) GTEST_SKIP() << folder << " is missing";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().string().ends_with(".wts.gz")) continue;
    ++files;
    WeightMap map = WeightMap::load(entry.path().string());
    map.metadata().clear();
    map.save(path("plain.wts"));
    // The usual loop of the field, on the plain file.
    std::ifstream plain(path("plain.wts"));
    std::size_t tensors = 0;
    plain >> tensors;
    ASSERT_EQ(map.keys().size(), tensors) << entry.path();
    for (std::size_t i = 0; i < tensors; ++i) {
      std::string key;
      std::size_t count = 0;
      plain >> key >> std::dec >> count;
      Bits bits(count);
      for (std::uint32_t& word : bits) plain >> std::hex >> word;
      ASSERT_EQ(bitsOf(map.at(key)), bits) << entry.path() << key;
    }
  }
  EXPECT_GT(files, 0);
}

TEST_F(WeightMapTest, TellsUsedFromUnused) {
  WeightMap map = parse("3\na 1 3f800000\nb 0\nc 0\n");
  EXPECT_EQ(map.unusedKeys(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(map.contains("b"));
  EXPECT_EQ(map.count("c"), 0);
  EXPECT_EQ(map.count("none"), -1);
  EXPECT_EQ(map.unusedKeys().size(), 3u);
  map.at("a");
  map.find("c");
  EXPECT_TRUE(map.find("none").empty());
  EXPECT_EQ(map.find("none").values, nullptr);
  EXPECT_EQ(map.unusedKeys(), std::vector<std::string>{"b"});
}

TEST_F(WeightMapTest, NamesTheNearestKey) {
  WeightMap map;
  map.add("model.24.m.0.weight", {1});
  map.add("model.24.m.1.weight", {1});
  map.add("model.2.m.0.weight", {1});
  EXPECT_EQ(messageOf(ErrorCode::kMissingWeights, [&] { map.at("model.24.m.0.wieght"); }),
            "[weights] no key 'model.24.m.0.wieght'; nearest: 'model.24.m.0.weight'");
  EXPECT_EQ(messageOf(ErrorCode::kMissingWeights, [&] { map.at("x"); }),
            "[weights] no key 'x', nor one like it among 3");
  EXPECT_EQ(messageOf(ErrorCode::kInvalidShape, [&] { map.at("model.24.m.0.weight", 6); }),
            "[weights] the key 'model.24.m.0.weight' holds 1 values, 6 needed");
  EXPECT_EQ(map.at("model.24.m.0.weight", 1).count, 1);
  EXPECT_EQ(map.nearestKey("model.24.m.1.wight"), "model.24.m.1.weight");
  map.save(path());
  EXPECT_EQ(messageOf(ErrorCode::kMissingWeights,
                      [&] { WeightMap::load(path()).at("model.2.m.0.wieght"); }),
            "[weights " + path() + "] no key 'model.2.m.0.wieght'; nearest: 'model.2.m.0.weight'");
}

TEST_F(WeightMapTest, RefusesKeysThatAFileCannotHold) {
  WeightMap map;
  map.add("a", {});
  for (const std::string& key : {""s, "a b"s, "a\n"s, "\ta"s, "a\0b"s, "a"s})
    EXPECT_THROW(map.add(key, {1}), Error) << key;
  EXPECT_EQ(map.keys().size(), 1u);
}

TEST_F(WeightMapTest, KeepsMetadataBesideTheFile) {
  WeightMap map;
  map.add("a", {1});
  map.metadata() = {{"names", "cat\ndog"}, {"task", "d\u00e9tection"}};
  map.save(path());
  const auto expected = map.metadata();
  EXPECT_EQ(WeightMap::load(path()).metadata(), expected);
  map.metadata().clear();
  map.save(path());
  EXPECT_FALSE(fs::exists(path("x.wts.json")));
  EXPECT_TRUE(WeightMap::load(path()).metadata().empty());
  map.metadata()["bad"] = "\xff";
  EXPECT_THROW(map.save(path()), Error);
  EXPECT_TRUE(WeightMap::load(path()).metadata().empty());
}

TEST_F(WeightMapTest, WritesTheUsualForm) {
  WeightMap map;
  map.add("conv.weight", {1.0f, -2.0f});
  map.add("none", {});
  map.save(path());
  EXPECT_EQ(MappedFile(path()).bytes(), "2\nconv.weight 2 3f800000 c0000000\nnone 0\n");
  map.save(path("x.wts.gz"));
  EXPECT_TRUE(MappedFile(path("x.wts.gz")).bytes().starts_with("\x1f\x8b"));
  EXPECT_THROW(map.save(folder_.string()), Error);
  EXPECT_THROW(map.save(path("none/x.wts")), Error);
}

}  // namespace
}  // namespace layerwise::test
