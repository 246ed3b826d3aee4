#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/common/input_files.h"

namespace layerwise::apps {

/// Gives every result a file name of its own: never one that this run gave before, and never an
/// input's, under whatever name or link that is reached.
class OutputNames {
 public:
  explicit OutputNames(const std::vector<InputFile>& inputs);

  /// `wanted`, or where that is taken the same with _2, _3... before the extension.
  std::string claim(const std::string& wanted);

 private:
  bool isInput(const std::string& path) const;

  std::set<std::pair<unsigned long, unsigned long>> inputs_;  ///< device and inode
  std::set<std::string> given_;
};

/// The annotated picture of an input: inside `folder` under its relative name, or without a folder
/// `_name.jpg` in the current one. What is neither JPEG nor PNG becomes JPEG.
std::string annotatedName(const InputFile& input, const std::string& folder);

/// The same relative name below `folder` with another extension.
std::string besideName(const InputFile& input, const std::string& folder,
                       const std::string& extension);

}  // namespace layerwise::apps
