#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "layerwise/data_type.h"
#include "layerwise/dims.h"
#include "layerwise/plugin.h"

namespace layerwise::apps {

/// A dense, row-major array in memory.
struct Array {
  DataType type = DataType::kFloat32;
  Dims dims;
  std::vector<std::byte> bytes;

  std::int64_t count() const { return static_cast<std::int64_t>(bytes.size() / sizeOf(type)); }
  double value(std::int64_t index) const;
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
};

/// Reads NumPy's .npy, format 1, 2 or 3: C order, little-endian, of float16, 32, 64, int8, 32, 64,
/// uint8 or bool. float64 becomes float32. Throws Error naming the file and what is wrong with it.
Array readNpy(const std::string& path);

/// Writes one whole or not at all; the folders above it are made.
void writeNpy(const std::string& path, const Array& array);

/// A dense copy of a tensor that may lie in memory with strides.
Array copyTensor(const TensorView& tensor);

/// The same values as another type. Throws Error (`name` opens it) where that is not possible
/// without loss of meaning: a fraction as integer, an integer out of range.
Array convertArray(Array array, DataType type, const std::string& name);

/// A tensor's name as a file's: what cannot stand in one becomes "_".
std::string fileNameOf(const std::string& tensor);

}  // namespace layerwise::apps
