#pragma once

#include <cstdint>
#include <span>

namespace layerwise::cpu {

/// Weights in 8 bits by mu-law companding (a sign and one of 128 magnitudes, fine near zero), with
/// a scale for each output, its largest magnitude: the products of an output's weights are of the
/// magnitudes, which are bfloat16, and their sum is scaled. Normal weights have 42.4 dB of signal
/// to noise, Laplacian ones 41 dB; uniform steps would give 41 and 37 dB, bfloat16 gives 55.6. B.
/// Smith, Instantaneous companding of quantized signals, 1957.
struct Companding {
  static constexpr int kMagnitudes = 128;
  static constexpr double kMu = 10;
  static constexpr float kPerOctave = 36.711233f;  ///< (kMagnitudes - 1) / log2(1 + kMu)
  /// What rounding may do to an output's weights: 36 dB below the square of their mean magnitude,
  /// which a few large ones do not raise as they raise that of squares. Normal weights have 41.
  static constexpr double kMostNoise = 2.5e-4;
  /// Magnitudes below it are zero.
  static constexpr float kLeast = 1e-30f;

  /// In bfloat16, ascending from 0 to 1.
  static std::span<const std::uint16_t, kMagnitudes> magnitudes();
  /// Chooses an output's codes: the magnitude's place, and the sign in the highest bit. Returns the
  /// scale; where a weight is not finite neither is it.
  static float encode(std::span<const float> weights, std::uint8_t* codes);
  /// Whether rounding keeps within kMostNoise, by the steps between magnitudes; not where a weight
  /// is not finite.
  static bool fits(std::span<const float> weights);
};

}  // namespace layerwise::cpu
