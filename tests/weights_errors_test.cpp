// Files that are no .wts, or damaged ones: each is an Error that says what is wrong and where.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "weights/wts_text.h"
#include "weights_case.h"

namespace layerwise::test {
namespace {

namespace fs = std::filesystem;
using std::string_literals::operator""s;

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

}  // namespace
}  // namespace layerwise::test
