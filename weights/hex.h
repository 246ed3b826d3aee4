#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace layerwise {

/// The ways to decode hexadecimal text; all give the same bits.
enum class HexKernel { kPortable, kAvx2, kAvx512Vbmi };

/// Those this machine can run, the fastest last.
const std::vector<HexKernel>& hexKernels();

/// Decodes words of exactly nine characters, one space and eight hexadecimal digits of either case
/// (the big-endian print of a float32), until one differs or `words` are done; returns how many.
/// Reads no byte beyond text[9 * words). Every character is checked.
std::size_t decodeHexWords(const char* text, std::size_t words, float* out);
std::size_t decodeHexWords(HexKernel kernel, const char* text, std::size_t words, float* out);

/// Writes " 3f800000" for every value: 9 * count characters.
void encodeHexWords(const float* values, std::size_t count, char* out);

/// The value of one hexadecimal digit, or -1.
constexpr int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The hexadecimal digits that eight characters begin with.
struct HexPrefix {
  std::uint32_t value;
  int digits;  ///< 0...8
};

/// Takes the characters as they lie in memory, the first one in the lowest byte.
inline HexPrefix hexPrefix(std::uint64_t characters) {
  // Arithmetic on all eight bytes at once; without their top bits none can carry into the next.
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kTop = 0x80 * kOnes;
  const std::uint64_t ascii = characters & ~kTop;
  const std::uint64_t lower = ascii | 0x20 * kOnes;
  // The top bit of each byte says whether it lies in '0'...'9', and in 'a'...'f'.
  const std::uint64_t decimal =
      (ascii + (0x80 - '0') * kOnes) & ~(ascii + (0x80 - '9' - 1) * kOnes) & kTop;
  const std::uint64_t letter =
      (lower + (0x80 - 'a') * kOnes) & ~(lower + (0x80 - 'f' - 1) * kOnes) & kTop;
  const std::uint64_t wrong = (characters | ~(decimal | letter)) & kTop;
  const int digits = wrong == 0 ? 8 : std::countr_zero(wrong) / 8;
  if (digits == 0) return {0, 0};
  std::uint64_t nibbles = (ascii & 0x0f * kOnes) + 9 * (letter >> 7);
  nibbles <<= 8 * (8 - digits);  // missing digits are zeros in front
  const std::uint64_t bytes = (nibbles << 4 | nibbles >> 8) & 0x00ff00ff00ff00ffu;
  const std::uint64_t halves = (bytes << 8 | bytes >> 16) & 0x0000ffff0000ffffu;
  return {static_cast<std::uint32_t>(halves << 16 | halves >> 32), digits};
}

}  // namespace layerwise
