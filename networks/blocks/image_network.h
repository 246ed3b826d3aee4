#pragma once

#include <string>
#include <vector>

#include "layerwise/network_registry.h"
#include "networks/blocks/options.h"

namespace layerwise::blocks {

/// What the families that look at one picture have in common: their input, options and metadata.
/// docs/networks.md lists the metadata's keys.

inline constexpr char kImageInput[] = "images";
inline constexpr char kImageNetMean[] = "0.485,0.456,0.406";
inline constexpr char kImageNetStd[] = "0.229,0.224,0.225";

/// The options "imgsz" and "batch".
std::vector<NetworkOption> imageOptions(const std::string& imgszDefault,
                                        const std::string& imgszDescription);

/// The option "names".
NetworkOption namesOption();

/// Which shapes of the input may vary at run time.
struct OpenSize {
  std::int64_t multiple = 0;  ///< 0: height and width are fixed; else from this number up in steps
};

/// Adds the input "images", N x channels x height x width, and says its size and profile in the
/// metadata. N is 1, or 1 to the option "batch".
Tensor& addImageInput(Network& network, const Options& options, std::int64_t channels,
                      ImageSize size, OpenSize open = {});

/// Metadata "task", "classes" and "names", checked against each other.
void describeClasses(Network& network, const Options& options, const std::string& task,
                     std::int64_t classes);

/// The shorter side before ImageNet's crop of 224 (torchvision's presets).
inline constexpr std::int64_t kImageNetResize = 256;

/// The options "resize", "mean" and "std" of torchvision's preprocessing.
std::vector<NetworkOption> resizeCropOptions(const std::string& mean, const std::string& deviation);
/// Metadata preprocess.*: shorter side to the option "resize" (`resize` where it is not given),
/// centre crop to the input's size, normalise.
void describeResizeCrop(Network& network, const Options& options, ImageSize size,
                        std::int64_t resize);
/// Metadata preprocess.mean and preprocess.std from the options, `channels` numbers each.
void describeNormalization(Network& network, const Options& options, std::size_t channels);

}  // namespace layerwise::blocks
