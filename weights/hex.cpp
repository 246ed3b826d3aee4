#include "weights/hex.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace layerwise {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kStride = 9;

std::size_t decodePortable(const char* text, std::size_t words, float* out) {
  for (std::size_t i = 0; i < words; ++i, text += kStride) {
    std::uint64_t characters;
    std::memcpy(&characters, text + 1, sizeof characters);
    const HexPrefix word = hexPrefix(characters);
    if (word.digits != 8 || text[0] != ' ') return i;
    std::memcpy(out + i, &word.value, sizeof word.value);
  }
  return words;
}

#if defined(__x86_64__)

// Eight words a turn. A character is valid where the classes of its two halves share a bit: rows
// 3 (digits), 4 and 6 (letters) meet columns 0...9 and 1...6.
__attribute__((target("avx2"))) std::size_t decodeAvx2(const char* text, std::size_t words,
                                                       float* out) {
  const __m256i rows =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 1, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i columns =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 3, 3, 3, 3, 3, 3, 1, 1, 1, 0, 0, 0, 0, 0, 0));
  // What to add to a character's low half to make it the digit's value.
  const __m256i bias =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 9, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i low = _mm256_set1_epi8(0x0f);
  const __m256i weights = _mm256_set1_epi16(0x0110);  // 16 * first + second
  // Gathers the low byte of each 16-bit lane, a word's four bytes reversed.
  const __m256i gather = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(6, 4, 2, 0, 14, 12, 10, 8, -1, -1, -1, -1, -1, -1, -1, -1));
  std::size_t i = 0;
  for (; i + 8 <= words; i += 8, text += 8 * kStride) {
    __m256i bytes[2];
    __m256i classes[2];
    for (int half = 0; half < 2; ++half) {
      const char* p = text + half * 4 * kStride + 1;
      std::uint64_t w[4];
      for (int k = 0; k < 4; ++k) __builtin_memcpy(&w[k], p + k * kStride, 8);
      const __m256i v = _mm256_set_epi64x(w[3], w[2], w[1], w[0]);
      const __m256i row = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
      const __m256i column = _mm256_and_si256(v, low);
      classes[half] =
          _mm256_and_si256(_mm256_shuffle_epi8(rows, row), _mm256_shuffle_epi8(columns, column));
      const __m256i nibbles = _mm256_add_epi8(column, _mm256_shuffle_epi8(bias, row));
      bytes[half] = _mm256_shuffle_epi8(_mm256_maddubs_epi16(nibbles, weights), gather);
    }
    const __m256i worst = _mm256_min_epu8(classes[0], classes[1]);
    const int bad = _mm256_movemask_epi8(_mm256_cmpeq_epi8(worst, _mm256_setzero_si256()));
    int blanks = 0;
    for (std::size_t k = 0; k < 8; ++k) blanks |= text[k * kStride] ^ ' ';
    if ((bad | blanks) != 0) break;
    const __m256i joined = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(bytes[0], bytes[1]),
                                                    _MM_SHUFFLE(3, 1, 2, 0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), joined);
  }
  return i + decodePortable(text, words - i, out + i);
}

// For eight words: where in their 72 characters the digits lie, in the order of the result's bytes.
struct DigitOrder {
  alignas(64) std::uint8_t at[64];
};

constexpr DigitOrder kDigitOrder = [] {
  DigitOrder order{};
  for (int i = 0; i < 64; ++i) {
    const int word = i / 8, byte = i % 8 / 2;
    order.at[i] = static_cast<std::uint8_t>(kStride * word + 1 + (6 - 2 * byte) + i % 2);
  }
  return order;
}();

// The digit's value of each ASCII character; the top bit marks those that are none.
struct DigitValues {
  alignas(64) std::uint8_t of[128];
};

constexpr DigitValues kDigitValues = [] {
  DigitValues values{};
  for (int c = 0; c < 128; ++c) {
    const int digit = hexDigit(static_cast<char>(c));
    values.of[c] = static_cast<std::uint8_t>(digit < 0 ? 0x80 : digit);
  }
  return values;
}();

// Eight words a turn: one byte permutation puts the digits in order and another looks them up.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi"))) std::size_t decodeAvx512Vbmi(
    const char* text, std::size_t words, float* out) {
  const __m512i order = _mm512_load_si512(kDigitOrder.at);
  const __m512i valuesLow = _mm512_load_si512(kDigitValues.of);
  const __m512i valuesHigh = _mm512_load_si512(kDigitValues.of + 64);
  const __m512i spaces = _mm512_set1_epi8(' ');
  const __m512i weights = _mm512_set1_epi16(0x0110);   // 16 * first + second
  constexpr __mmask64 kSpaceAt = 0x8040201008040201u;  // every ninth character
  std::size_t i = 0;
  for (; i + 8 <= words; i += 8, text += 8 * kStride) {
    const __m512i head = _mm512_loadu_si512(text);
    const __m512i tail =
        _mm512_castsi128_si512(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(text + 64)));
    const __m512i digits = _mm512_permutex2var_epi8(head, order, tail);
    const __m512i values = _mm512_permutex2var_epi8(valuesLow, digits, valuesHigh);
    // The lookup ignores a character's top bit, so it is examined beside the value's.
    const __mmask64 bad = _mm512_movepi8_mask(_mm512_or_si512(digits, values)) |
                          _mm512_mask_cmpneq_epi8_mask(kSpaceAt, head, spaces);
    if (bad != 0) break;
    const __m256i joined =
        _mm512_maskz_cvtepi16_epi8(~__mmask32{0}, _mm512_maddubs_epi16(values, weights));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), joined);
  }
  return i + decodePortable(text, words - i, out + i);
}

#endif

std::vector<HexKernel> detectKernels() {
  std::vector<HexKernel> kernels = {HexKernel::kPortable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) kernels.push_back(HexKernel::kAvx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi"))
    kernels.push_back(HexKernel::kAvx512Vbmi);
#endif
  return kernels;
}

constexpr auto kPairs = [] {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (int i = 0; i < 256; ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  return pairs;
}();

}  // namespace

const std::vector<HexKernel>& hexKernels() {
  static const std::vector<HexKernel> kernels = detectKernels();
  return kernels;
}

std::size_t decodeHexWords(HexKernel kernel, const char* text, std::size_t words, float* out) {
  switch (kernel) {
#if defined(__x86_64__)
    case HexKernel::kAvx2:
      return decodeAvx2(text, words, out);
    case HexKernel::kAvx512Vbmi:
      return decodeAvx512Vbmi(text, words, out);
#endif
    default:
      return decodePortable(text, words, out);
  }
}

std::size_t decodeHexWords(const char* text, std::size_t words, float* out) {
  return decodeHexWords(hexKernels().back(), text, words, out);
}

void encodeHexWords(const float* values, std::size_t count, char* out) {
  for (std::size_t i = 0; i < count; ++i, out += kStride) {
    const auto word = std::bit_cast<std::uint32_t>(values[i]);
    out[0] = ' ';
    for (int k = 0; k < 4; ++k)
      std::memcpy(out + 1 + 2 * k, &kPairs[word >> (24 - 8 * k) & 255], 2);
  }
}

}  // namespace layerwise
