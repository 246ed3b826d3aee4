#include "layerwise/weights.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "files/file.h"
#include "layerwise/error.h"
#include "weights/hex.h"
#include "weights/nearest_key.h"
#include "weights/wts_text.h"

namespace layerwise {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

/// A folder for each test, and short names for what the tests do over and over.
class WeightMapTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("weights_test_" + std::to_string(::getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "x.wts") const { return (folder_ / name).string(); }

  std::string write(const std::string& text, const std::string& name = "x.wts") const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  WeightMap parse(const std::string& text, int threads = 0) const {
    return WeightMap::load(write(text), threads);
  }
  /// The message without the label, or "no error".
  std::string errorOf(const std::string& text, const std::string& name = "x.wts") const {
    return loadError(write(text, name));
  }
  static std::string loadError(const std::string& file) {
    try {
      WeightMap::load(file);
    } catch (const Error& error) {
      const std::string what = error.what(), label = "[weights " + file + "] ";
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      EXPECT_TRUE(what.starts_with(label)) << what;
      return what.substr(std::min(label.size(), what.size()));
    }
    return "no error";
  }

  fs::path folder_;
};

std::vector<std::uint32_t> bitsOf(const Weights& weights) {
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(weights.count));
  if (weights.count > 0) std::memcpy(bits.data(), weights.values, bits.size() * 4);
  return bits;
}

using Bits = std::vector<std::uint32_t>;

std::string gzip(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  deflate(&z, Z_FINISH);
  packed.resize(z.total_out);
  deflateEnd(&z);
  return packed;
}

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

TEST_F(WeightMapTest, NamesWhatIsWrong) {
  EXPECT_EQ(errorOf(""), "is empty");
  EXPECT_EQ(errorOf(" \n\r\n"), "holds nothing but blanks");
  EXPECT_EQ(errorOf("many\n"),
            "line 1: the number of tensors, which a .wts begins with, 'many' is not a number");
  EXPECT_EQ(errorOf("-1\n"),
            "line 1: the number of tensors, which a .wts begins with, is negative: -1");
  EXPECT_EQ(
      errorOf("99999999999999999999\n"),
      "line 1: the number of tensors, which a .wts begins with, '99999999999999999999' is out "
      "of range");
  EXPECT_EQ(errorOf("1 a 1 3f800000\n"), "line 1: 'a' follows the number of tensors");
  EXPECT_EQ(errorOf("2\na 1 3f800000\n"),
            "line 1 says 2 tensors, the file ends on line 3 after 1, the last of them 'a'");
  EXPECT_EQ(errorOf("9223372036854775807\n"),
            "line 1 says 9223372036854775807 tensors, the file ends on line 2 after 0");
  EXPECT_EQ(errorOf("1\na 1 3f800000\nb 1 3f800000\n"),
            "line 3, key 'b': one tensor more than the 1 that line 1 says");
  EXPECT_EQ(errorOf("3\na 1 3f800000\nb 0\na 1 3f800000\n"),
            "line 4, key 'a': the key stands on line 2 already");
  EXPECT_EQ(errorOf("1\na\n"), "line 2, key 'a': no count follows it");
  EXPECT_EQ(errorOf("1\na"), "line 2, key 'a': no count follows it; the file is truncated");
  EXPECT_EQ(errorOf("1\na -3 3f800000\n"), "line 2, key 'a': the count of values is negative: -3");
  EXPECT_EQ(errorOf("1\na 2x 3f800000\n"),
            "line 2, key 'a': the count of values '2x' is not a number");
  EXPECT_EQ(errorOf("1\na 18446744073709551617 3f800000\n"),
            "line 2, key 'a': the count of values '18446744073709551617' is out of range");
  EXPECT_EQ(errorOf("1\na 9223372036854775807 3f800000\n"),
            "line 2, key 'a': 1 values, but its count says 9223372036854775807");
  EXPECT_EQ(errorOf("2\na 3 3f800000 40000000\nb 1 3f800000\n"),
            "line 2, key 'a': 2 values, but its count says 3");
  EXPECT_EQ(errorOf("2\na 1 3f800000\nb 3 3f800000 40000000"),
            "line 3, key 'b': 2 values, but its count says 3; the file is truncated");
  EXPECT_EQ(errorOf("1\na 1 3f800000 40000000\n"),
            "line 2, key 'a': more than the 1 values that its count says; column 14: '40000000'");
  EXPECT_EQ(
      errorOf("1\na 2 3f800000 3f80x000\n"),
      "line 2, key 'a': value 2 of 2, column 14: '3f80x000' is not 1 to 8 hexadecimal digits");
  EXPECT_EQ(
      errorOf("1\na 2 3f8000000 40000000\n"),
      "line 2, key 'a': value 1 of 2, column 5: '3f8000000' is not 1 to 8 hexadecimal digits");
  EXPECT_EQ(errorOf("1\na 1 0x\n"),
            "line 2, key 'a': value 1 of 1, column 5: '0x' is not 1 to 8 hexadecimal digits");
  EXPECT_EQ(errorOf("1\na 1 0x3f8000000\n"),
            "line 2, key 'a': value 1 of 1, column 5: '0x3f8000000' is not 1 to 8 hexadecimal "
            "digits");
  EXPECT_EQ(errorOf("1\na 1 \x1b[2J\n"),
            "line 2, key 'a': value 1 of 1, column 5: '\\x1b[2J' is not 1 to 8 hexadecimal digits");
  EXPECT_EQ(errorOf("1\na 1 3f80"),
            "line 2, key 'a': the file ends inside the last value, '3f80': it is truncated");
  // The count of `a` puts the end of its line behind `b`.
  EXPECT_EQ(errorOf("2\na 3 3f800000\nb 1 3f800000\n"),
            "line 2, key 'a': 1 values, but its count says 3");
}

TEST_F(WeightMapTest, NamesTheFirstOfManyErrorsOnAnyNumberOfThreads) {
  std::string text = "64\n";
  for (int i = 0; i < 64; ++i) {
    text += fmt::format("key{} 3000", i);
    for (int k = 0; k < 3000; ++k) text += i >= 20 && k == 2000 ? " 3f8g0000" : " 3f800000";
    text += '\n';
  }
  const std::string file = write(text);
  for (int threads : {1, 2, 3, 8}) {
    try {
      WeightMap::load(file, threads);
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("line 22, key 'key20': value 2001 of 3000"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST_F(WeightMapTest, KnowsForeignFiles) {
  const std::pair<std::string, std::string> files[] = {
      {"PK\x03\x04\x00\x00\x08\x08"s + std::string(40, '\0') + "archive/data.pkl", "PyTorch"},
      {"PK\x03\x04"s + std::string(26, '\0') + "w.npy", ".npz"},
      {"\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."s, "PyTorch"},
      {"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"dtype\":\"F32\""s, "safetensors"},
      {"\x08\x07\x12\x07pytorch"s, "ONNX"},
      {"ftrt\x01\x02\x03\x00"s, "TensorRT engine"},
      {"LWPLAN\x00\x01"s, "a Layerwise engine"},
      {"\x89PNG\r\n\x1a\n"s, "PNG"},
      {"\xff\xd8\xff\xe0"s, "JPEG"},
      {"\x89HDF\r\n\x1a\n"s, "HDF5"},
      {"\x00\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x00"s, "Darknet"},
      {"7767517\n10 12\n"s, "ncnn"},
      {"<!DOCTYPE html>\n"s, "web page"},
      {"version https://git-lfs.github.com/spec/v1\n"s, "Git LFS"},
      {"\x1c\x00\x00\x00TFL3\x00\x00"s, "TensorFlow Lite"},
      {"\x01\x02\x00\x03 something"s, "binary file"},
      {gzip("1\na 0\n"), "gzip file inside"},
  };
  for (const auto& [bytes, kind] : files) {
    // Gzip of a gzip is what makes the last one foreign; it would be read otherwise.
    const bool nested = kind == "gzip file inside";
    for (const std::string& file : {write(nested ? gzip(bytes) : bytes), write(gzip(bytes))}) {
      const std::string message = loadError(file);
      EXPECT_TRUE(message.starts_with("is a")) << message;
      EXPECT_NE(message.find(kind), std::string::npos) << message;
    }
  }
  EXPECT_EQ(errorOf("PK\x03\x04 archive/data.pkl"),
            "is a PyTorch checkpoint (.pt, a zip archive), not a .wts: convert it with "
            "scripts/gen_wts.py");
}

TEST_F(WeightMapTest, RefusesWhatIsNoReadableFile) {
  EXPECT_EQ(loadError(path("none.wts")), "cannot be opened: No such file or directory");
  EXPECT_EQ(loadError(folder_.string()), "is a folder");
  write("0\n");
  ::chmod(path().c_str(), 0);
  if (::access(path().c_str(), R_OK) != 0) {  // root may read everything
    EXPECT_EQ(loadError(path()), "cannot be opened: Permission denied");
  }
}

TEST_F(WeightMapTest, RefusesDamagedGzip) {
  std::string text = "1\na 5000";
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    char word[16];
    std::snprintf(word, sizeof word, " %08x", static_cast<unsigned>(random()));
    text += word;
  }
  text += '\n';
  const std::string packed = gzip(text);
  ASSERT_EQ(errorOf(packed), "no error");
  for (std::size_t size : {packed.size() - 1, packed.size() - 8, packed.size() / 2}) {
    const std::string message = errorOf(packed.substr(0, size));
    EXPECT_NE(message.find("truncated"), std::string::npos) << size << message;
  }
  for (std::size_t size : {3, 10, 11, 20}) EXPECT_NE(errorOf(packed.substr(0, size)), "no error");
  EXPECT_EQ(errorOf(packed + "tail"),
            "4 bytes follow the end of the gzip data at byte " + std::to_string(packed.size()));
  std::string crc = packed;
  crc[crc.size() - 6] ^= 1;
  EXPECT_NE(errorOf(crc).find("incorrect data check"), std::string::npos) << errorOf(crc);
  std::string length = packed;
  length[length.size() - 1] ^= 1;
  EXPECT_NE(errorOf(length).find("incorrect length check"), std::string::npos) << errorOf(length);
}

TEST_F(WeightMapTest, ReadsGzipOfSeveralMembers) {
  write(gzip("1\na 2 3f8") + gzip("00000 40000000\n"));
  EXPECT_EQ(bitsOf(WeightMap::load(path()).at("a")), kOneTwo);
}

TEST_F(WeightMapTest, TruncationAtEveryByteIsAnError) {
  const std::string texts[] = {
      "4\nconv.weight 9 3f800000 40000000 00000000 80000000 7fc00000 12345678 9abcdef0 00000001 "
      "ffffffff\nb 0\nbn/x 1 3f800000\nlast 2 00000000 3f000000\n",
      "2\r\na 2  3f800000 40000000 \r\nb 2  00000000 0bcdef00 \r\n",
      "2\na 2 0x3f800000 0x40000000\nb 2 0x00000000 0x3f000000\n",
  };
  for (const std::string& text : texts) {
    const std::size_t complete = text.find_last_not_of(" \r\n") + 1;
    for (std::size_t size = 0; size <= text.size(); ++size) {
      // A heap block of exactly this size shows a sanitizer what is read beyond it.
      const std::vector<char> exact(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      std::string message = "no error";
      try {
        parseWts({exact.data(), exact.size()}, "text", 1);
      } catch (const Error& error) {
        message = error.what();
      }
      EXPECT_EQ(message == "no error", errorOf(text.substr(0, size)) == "no error");
      if (size < complete)
        EXPECT_NE(message, "no error") << text.substr(0, size);
      else
        EXPECT_EQ(message, "no error") << text.substr(0, size);
    }
  }
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

TEST_F(WeightMapTest, DamagedBytesNeverCrash) {
  std::string text = "3\nconv.weight 40";
  for (int i = 0; i < 40; ++i) text += " 3f800000";
  text += "\nbn 0\nfc 3 0 0x12 80000000\n";
  const std::string packed = gzip(text);
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = i % 2 != 0 ? text : packed;
    for (int k = 0; k <= i % 3; ++k)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    write(damaged);
    try {
      WeightMap map = WeightMap::load(path());
      for (const std::string& key : map.keys()) EXPECT_GE(map.count(key), 0);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal);
    }
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

template <typename Call>
std::string messageOf(ErrorCode code, const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
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

TEST(NearestKey, PrefersTheLongerCommonBeginning) {
  EXPECT_EQ(nearestKey("layer1.conv", {"layxr1.conv", "layer1.cony"}), "layer1.cony");
  EXPECT_EQ(nearestKey("module.conv1.weight", {"conv2.weight", "conv1.weight"}), "conv1.weight");
  EXPECT_EQ(nearestKey("conv1.weight", {"backbone.body.conv1.weight"}),
            "backbone.body.conv1.weight");
  EXPECT_EQ(nearestKey("conv1.weight", {"head.anchors"}), "");
  EXPECT_EQ(nearestKey("", {"a"}), "");
}

TEST(NearestKey, MeasuresEditDistance) {
  EXPECT_EQ(editDistance("kitten", "sitting", 10), 3u);
  EXPECT_EQ(editDistance("wieght", "weight", 10), 1u);
  EXPECT_EQ(editDistance("abc", "", 10), 3u);
  EXPECT_EQ(editDistance("abc", "abc", 10), 0u);
  EXPECT_EQ(editDistance("kitten", "sitting", 2), 2u);
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

TEST_F(WeightMapTest, RefusesMalformedMetadata) {
  write("0\n");
  const std::string label = "[metadata " + path("x.wts.json") + "] ";
  for (const std::string& json : {""s, "{"s, "[1]"s, "3"s, "{\"a\": 1}"s, "{\"a\": {}}"s,
                                  "{\"a\": \"\xff\"}"s, std::string(100000, '[')}) {
    write(json, "x.wts.json");
    const std::string message = messageOf(ErrorCode::kBadFile, [&] { WeightMap::load(path()); });
    EXPECT_TRUE(message.starts_with(label)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  fs::remove(path("x.wts.json"));
  fs::create_directory(path("x.wts.json"));
  EXPECT_EQ(messageOf(ErrorCode::kIo, [&] { WeightMap::load(path()); }), label + "is a folder");
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

// Each kernel against the plain digit-by-digit reading, at every length and alignment, exactly as
// long a buffer as it may read.
TEST(Hex, KernelsAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(11);
  for (HexKernel kernel : hexKernels()) {
    for (std::size_t words = 0; words < 70; ++words) {
      for (std::size_t shift = 0; shift < 9; ++shift) {
        std::vector<char> text(shift + 9 * words);
        Bits expected(words);
        for (std::size_t i = 0; i < words; ++i) {
          expected[i] = static_cast<std::uint32_t>(random());
          char word[16];
          std::snprintf(word, sizeof word, random() % 2 != 0 ? " %08x" : " %08X", expected[i]);
          std::memcpy(text.data() + shift + 9 * i, word, 9);
        }
        std::vector<float> out(words);
        ASSERT_EQ(decodeHexWords(kernel, text.data() + shift, words, out.data()), words);
        ASSERT_TRUE(words == 0 || std::memcmp(out.data(), expected.data(), 4 * words) == 0);
      }
    }
  }
}

TEST(Hex, KernelsCheckEveryCharacter) {
  constexpr std::size_t kWords = 19;
  for (HexKernel kernel : hexKernels()) {
    for (std::size_t at = 0; at < 9 * kWords; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string text;
        for (std::size_t i = 0; i < kWords; ++i) text += " 3fA0c9e1";
        text[at] = static_cast<char>(c);
        const bool good = at % 9 == 0 ? c == ' ' : hexDigit(static_cast<char>(c)) >= 0;
        std::vector<float> out(kWords);
        ASSERT_EQ(decodeHexWords(kernel, text.data(), kWords, out.data()), good ? kWords : at / 9)
            << at << ' ' << c;
      }
    }
  }
}

TEST(Hex, EncodesWhatItDecodes) {
  const float values[] = {1.0f, -0.0f, std::bit_cast<float>(0x7fc0beefu)};
  std::string text(27, 'x');
  encodeHexWords(values, 3, text.data());
  EXPECT_EQ(text, " 3f800000 80000000 7fc0beef");
}

}  // namespace
}  // namespace layerwise
