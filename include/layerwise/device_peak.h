#pragma once

#include <string>

#include "layerwise/data_type.h"
#include "layerwise/export.h"

namespace layerwise {

/// What a device reaches where nothing but arithmetic, or nothing but copying, is done.
struct DevicePeak {
  double flops = 0;           ///< float32 multiply-adds on registers, two a pair; 0: not known
  double bfloat16Flops = 0;   ///< of bfloat16 elements, summed in float32
  double byteOperations = 0;  ///< of 8-bit integers, summed in 32
  double bytesPerSecond = 0;  ///< of large copies, read and written; 0: not known

  /// Multiplications and additions a second of elements of a type; 0: not known.
  double operations(DataType type) const {
    switch (type) {
      case DataType::kFloat32:
        return flops;
      case DataType::kBFloat16:
        return bfloat16Flops;
      case DataType::kUInt8:
        return byteOperations;
      default:
        return 0;
    }
  }
};

/// Measures it, in some tens of milliseconds, with `threads` workers (0: one a core). On the CPU in
/// processor time, so that other programs count little. Throws Error kDevice for an unknown device.
LAYERWISE_API DevicePeak measurePeak(const std::string& device = "cpu", int threads = 0);

}  // namespace layerwise
