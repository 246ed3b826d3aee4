#pragma once

#include <string>
#include <vector>

#include "layerwise/dataset.h"
#include "layerwise/image.h"

namespace layerwise::apps {

struct LabelledPicture {
  Image image;     ///< empty where the view is into the data set
  ImageView view;  ///< valid while the picture and the data set live
  int classId = 0;
};

/// The data set of a classifier's --val: a folder with one folder a class, a list file with lines
/// `path class`, or MNIST's pair of idx files (either order, gzipped or not).
class LabelledPictures {
 public:
  /// Throws Error naming the word at fault.
  explicit LabelledPictures(const std::vector<std::string>& words);

  std::size_t size() const;
  /// Throws Error for a picture that cannot be read.
  LabelledPicture read(std::size_t index) const;

 private:
  ClassificationDataset files_;
  IdxDataset digits_;
};

}  // namespace layerwise::apps
