#pragma once

#include <array>
#include <cstdint>

#include "layerwise/box.h"
#include "layerwise/export.h"
#include "layerwise/image.h"

namespace layerwise {

// From a picture to a network's input: float planes [3, height, width] in the order red, green,
// blue (or one grey plane), whatever the picture's own channel order. All functions write into the
// caller's buffer, throw Error for a picture or a size that cannot be meant, and may run on several
// threads at once.

/// Whose pixels a resize reproduces, bit for bit.
enum class ResizeFilter {
  kLinear,     ///< OpenCV's INTER_LINEAR
  kArea,       ///< OpenCV's INTER_AREA
  kAntialias,  ///< PIL's BILINEAR, which torchvision's Resize uses: wider when it shrinks
};

/// Resizes a picture into another of the same format (throws Error for two formats).
LAYERWISE_API void resizeImage(const ImageView& from, const MutableImageView& to,
                               ResizeFilter filter);

/// value = (pixel / 255 - mean) / deviation, a channel in the order red, green, blue.
struct PixelNormalization {
  std::array<float, 3> mean{0.0f, 0.0f, 0.0f};
  std::array<float, 3> deviation{1.0f, 1.0f, 1.0f};
};
inline constexpr PixelNormalization kUnitRange{};  ///< 0...1: YOLO
/// torchvision's, of the ImageNet data set.
inline constexpr PixelNormalization kImageNetRange{{0.485f, 0.456f, 0.406f},
                                                   {0.229f, 0.224f, 0.225f}};

// ---- YOLOv5: the letterbox ----------------------------------------------------------------------

/// How a picture is brought to the network's size with its aspect ratio kept.
struct LetterboxOptions {
  int width = 640;  ///< the network's input, or its upper bound for a minimum rectangle
  int height = 640;
  bool rect = false;  ///< pad to the next multiple of `stride` only, not to the whole size
  int stride = 32;
  bool scaleUp = true;  ///< enlarge pictures that are smaller than the input
  std::uint8_t pad = 114;
};

/// Where a picture lies inside the network's input, and the way back.
struct Letterbox {
  int imageWidth = 0;  ///< the original picture
  int imageHeight = 0;
  int width = 0;  ///< the network's input
  int height = 0;
  int resizedWidth = 0;  ///< the picture inside of it, at (left, top)
  int resizedHeight = 0;
  int left = 0;
  int top = 0;
  std::uint8_t pad = 114;
  double gain = 1.0;  ///< network pixels per picture pixel
  double padX = 0.0;  ///< what is taken off before dividing by gain: not always whole
  double padY = 0.0;
  /// A first resize, before the letterbox's own, as the validation data loader does; 0: none.
  int preWidth = 0;
  int preHeight = 0;
  ResizeFilter preFilter = ResizeFilter::kLinear;
  /// The extent in network pixels that the data loader maps relative labels to.
  double labelWidth = 0.0;
  double labelHeight = 0.0;
};

/// detect.py's letterbox (ultralytics/yolov5 v6 and v7, utils/augmentations.py), with the boxes
/// mapped back as scale_boxes() does without ratio_pad.
LAYERWISE_API Letterbox planLetterbox(int imageWidth, int imageHeight,
                                      const LetterboxOptions& options = {});

/// val.py's way: load_image() resizes the longer side to max(width, height) (INTER_AREA when it
/// shrinks), then the letterbox without enlarging, with the boxes mapped back by ratio_pad. With
/// `rect` the input is the picture's own rectangle as val.py has it at batch size 1 (half a stride
/// of padding). scaleUp is not looked at.
LAYERWISE_API Letterbox planValidationLetterbox(int imageWidth, int imageHeight,
                                                const LetterboxOptions& options = {});

/// Writes planes[3][height][width], 0...1. The picture's size must be the plan's.
LAYERWISE_API void letterbox(const ImageView& image, const Letterbox& plan, float* planes);

/// From network pixels to picture pixels, clipped to the picture (scale_boxes).
LAYERWISE_API Box boxToImage(const Letterbox& plan, const Box& box);
LAYERWISE_API Point pointToImage(const Letterbox& plan, const Point& point);

/// Where val.py's data loader puts a label (centre and size relative to the picture): into network
/// pixels by labelWidth and labelHeight, clipped to the input, and back by boxToImage(). Differs
/// from the label's own place by what the loader's resize rounds, so use it to get val.py's
/// numbers.
LAYERWISE_API Box labelToImage(const Letterbox& plan, float cx, float cy, float width,
                               float height);

// ---- Classification, lanes ----------------------------------------------------------------------

/// torchvision's Resize(resize), CenterCrop(crop), ToTensor, Normalize on a PIL picture.
struct ClassificationOptions {
  int resize = 256;  ///< the shorter side; 0: no resize
  int crop = 224;    ///< a square; a smaller picture is padded with black
  PixelNormalization normalization = kImageNetRange;
};
/// Writes planes[3][crop][crop].
LAYERWISE_API void classificationInput(const ImageView& image, const ClassificationOptions& options,
                                       float* planes);

/// YOLOv5's classify_transforms: the centre square resized with `filter`; writes
/// planes[3][size][size].
LAYERWISE_API void centerSquareInput(const ImageView& image, int size,
                                     const PixelNormalization& normalization, float* planes,
                                     ResizeFilter filter = ResizeFilter::kLinear);

/// The whole picture resized, its aspect ratio not kept; writes planes[3][height][width]. With the
/// defaults this is what Ultra-Fast-Lane-Detection feeds at 800 x 288.
LAYERWISE_API void stretchInput(const ImageView& image, int width, int height, float* planes,
                                const PixelNormalization& normalization = kImageNetRange,
                                ResizeFilter filter = ResizeFilter::kAntialias);

/// One grey plane[size][size] for LeNet: the picture, grey by PIL's rule and resized (antialiased)
/// to size - 2 * border unless it is of that size or of the full size already, inside a border of
/// black. The first mean and deviation count.
LAYERWISE_API void grayInput(const ImageView& image, int size, int border,
                             const PixelNormalization& normalization, float* plane);

}  // namespace layerwise
