#pragma once

#include <string>
#include <vector>

namespace layerwise::apps {

/// A picture to be read.
struct InputFile {
  std::string path;
  /// Where its results lie below an output folder: the path inside the folder that was named, or
  /// the file's own name.
  std::string relative;
  bool named = false;  ///< by the user, not met in a folder
};

/// The pictures that the user's words mean: files, and what lies in folders and in their
/// sub-folders, in the order of names. Throws Error naming the word for what is missing, for a
/// folder without pictures, and for videos, cameras and network addresses.
std::vector<InputFile> findPictures(const std::vector<std::string>& words);

}  // namespace layerwise::apps
