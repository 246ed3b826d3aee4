#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "folder_test_case.h"
#include "layerwise/error.h"
#include "layerwise/weights.h"

namespace layerwise::test {

/// Short names for what the tests do over and over.
class WeightMapTest : public FolderTest {
 protected:
  std::string path(const std::string& name = "x.wts") const { return FolderTest::path(name); }
  std::string write(const std::string& text, const std::string& name = "x.wts") const {
    return FolderTest::write(name, text);
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
};

inline std::vector<std::uint32_t> bitsOf(const Weights& weights) {
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(weights.count));
  if (weights.count > 0) std::memcpy(bits.data(), weights.values, bits.size() * 4);
  return bits;
}

using Bits = std::vector<std::uint32_t>;

inline std::string gzip(const std::string& text) {
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

/// What the call's Error says; "no error" where it throws none.
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

}  // namespace layerwise::test
