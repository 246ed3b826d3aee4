#pragma once

#include <string>
#include <vector>

namespace layerwise {

/// What the library needs of a YOLOv5 data.yaml.
struct DataYaml {
  std::string path;                ///< the data set's root; empty: not given
  std::vector<std::string> val;    ///< folders or list files
  std::vector<std::string> names;  ///< by class id
};

/// Reads the keys `path`, `val` and `names` at the top level, written as scalars, flow sequences
/// and mappings ([a, b], {0: a}) or block ones; others are passed over. Throws Error naming file
/// and line.
DataYaml readDataYaml(const std::string& file);

}  // namespace layerwise
