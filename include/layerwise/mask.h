#pragma once

#include <cstdint>
#include <vector>

#include "layerwise/box.h"
#include "layerwise/export.h"
#include "layerwise/preprocess.h"

namespace layerwise {

/// The pixels of one object: values[height][width] of 0 or 1, whose corner lies at (left, top).
struct Mask {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> values;
};

/// YOLOv5-seg's second output for one image: protos[channels][height][width].
struct MaskPrototypes {
  const float* values = nullptr;
  int channels = 32;
  int height = 160;
  int width = 160;
};

/// process_mask() of YOLOv5 (utils/segment/general.py, v7, with upsample): the prototypes weighted
/// with the object's `channels` coefficients (the `extra` values of its row), sigmoid, cropped to
/// the box, enlarged bilinearly to the network's input of inputWidth x inputHeight, 1 where above
/// 0.5. `box` is in network pixels, and so is the mask, which covers the object's surroundings
/// only. Throws Error for sizes that cannot be meant.
LAYERWISE_API Mask assembleMask(const MaskPrototypes& prototypes, const float* coefficients,
                                const Box& box, int inputWidth, int inputHeight);

/// A mask in network pixels as one in the picture's.
LAYERWISE_API Mask maskToImage(const Letterbox& plan, const Mask& mask);

/// The outer outline of the mask's object with the most corners, as OpenCV's findContours gives it
/// (external, straight runs by their ends): pixel centres, in the mask's pixels. Empty for an empty
/// mask. Map its points with pointToImage() for the picture's.
LAYERWISE_API std::vector<Point> outlineOf(const Mask& mask);

}  // namespace layerwise
