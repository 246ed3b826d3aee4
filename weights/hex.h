#pragma once

#include <cstddef>
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

}  // namespace layerwise
