#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

// Data sets on disk, as they are commonly laid out. All functions throw Error naming the file (and
// the line) at fault.

/// The JPEG and PNG files (by their names' ending, in any case) of a folder and its sub-folders,
/// sorted by path. Hidden files and folders are left out.
LAYERWISE_API std::vector<std::string> listImages(const std::string& folder);

// ---- YOLO: images/ and labels/ ------------------------------------------------------------------

/// Centre and size relative to the picture, 0...1.
struct YoloLabel {
  int classId = 0;
  float cx = 0.0f;
  float cy = 0.0f;
  float width = 0.0f;
  float height = 0.0f;
};

struct YoloDataset {
  std::vector<std::string> images;  ///< sorted
  std::vector<std::string> labels;  ///< one an image; the file may be missing: no objects
  std::vector<std::string> names;   ///< of the classes, where a data.yaml gives them
};

/// `path` is a data.yaml, a folder with a data.yaml (which has `val`, maybe `path` and `names`), a
/// folder with images/ and labels/, or a folder of images whose path holds "images". Pictures may
/// lie in sub-folders. `val` may be a folder, a list file of images, or a list of either.
LAYERWISE_API YoloDataset openYoloDataset(const std::string& path);

/// The labels of one image: lines `class cx cy w h` or polygons `class x1 y1 x2 y2 x3 y3 ...`,
/// which become their bounding boxes. A repeated line counts once; a missing file is no labels.
LAYERWISE_API std::vector<YoloLabel> readYoloLabels(const std::string& path);

/// The class names of a names file (one a line) or a data.yaml (`names:` as list or mapping).
LAYERWISE_API std::vector<std::string> readClassNames(const std::string& path);

// ---- Classification -----------------------------------------------------------------------------

struct LabelledImage {
  std::string path;
  int classId = 0;
};

struct ClassificationDataset {
  std::vector<LabelledImage> images;
  std::vector<std::string> names;  ///< a folder a class: the folders' names, sorted
};

/// A folder with one sub-folder a class (their sorted order is the class id), or a text file with
/// lines `path class`, the path relative to the file's folder.
LAYERWISE_API ClassificationDataset openClassificationDataset(const std::string& path);

/// MNIST's pair of idx files, images (magic 2051) and labels (magic 2049), gzipped or not.
struct IdxDataset {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  ///< [count][height][width]
  std::vector<std::uint8_t> labels;  ///< [count]
};
LAYERWISE_API IdxDataset readIdxDataset(const std::string& imagesPath,
                                        const std::string& labelsPath);

}  // namespace layerwise
