#include "weights/hex.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace layerwise {
namespace {

// Each kernel against the plain digit-by-digit reading, at every length and alignment, exactly as
// long a buffer as it may read.
TEST(Hex, KernelsAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(11);
  for (HexKernel kernel : hexKernels()) {
    for (std::size_t words = 0; words < 70; ++words) {
      for (std::size_t shift = 0; shift < 9; ++shift) {
        std::vector<char> text(shift + 9 * words);
        std::vector<std::uint32_t> expected(words);
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
