#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "layerwise/builder.h"
#include "layerwise/error.h"

/// Images that a benchmark's Python side wrote as plain float32.
namespace layerwise {

inline std::vector<float> readFloats(const std::string& path, std::size_t count) {
  std::vector<float> values(count);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(float)));
  if (!file)
    throw Error(ErrorCode::kBadFile, fmt::format("[{}] holds less than {} floats", path, count));
  return values;
}

/// The images of a file, at most so many, as batches of one for the input `images`.
inline CalibrationSource calibrationImages(
    const std::string& path, const Dims& dims,
    std::size_t most = std::numeric_limits<std::size_t>::max()) {
  const auto image = static_cast<std::size_t>(dims.volume());
  const std::size_t count =
      std::min<std::size_t>(most, std::filesystem::file_size(path) / (image * sizeof(float)));
  return [=, values = readFloats(path, count * image),
          next = std::size_t{0}](CalibrationBatch& batch) mutable {
    if (next == count) return false;
    batch.inputs["images"] = {values.data() + image * next++, dims};
    return true;
  };
}

}  // namespace layerwise
