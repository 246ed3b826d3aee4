#pragma once

#include <string>
#include <vector>

#include "layerwise/network_registry.h"
#include "networks/blocks/options.h"

namespace layerwise::blocks {

/// The options that all detectors share: "dynamic", "raw", "capacity".
std::vector<NetworkOption> detectionOptions();

/// The run-time options of a detector as network inputs with defaults, its decode plugin and the
/// outputs "count" and "detections"; with the option "raw", the output "raw" of the second plugin.
/// `fields` are the plugins' own; "capacity" is added to them.
void addDetections(Network& network, const Options& options, std::int64_t classes,
                   const std::vector<Tensor*>& maps, const std::string& detectPlugin,
                   const std::string& decodePlugin, Fields fields);

/// Metadata preprocess.*: the letterbox, padded with 114 to the size or to a multiple of `stride`.
void describeLetterbox(Network& network, std::int64_t stride);

/// Throws Error with both numbers where a side is no multiple of the stride.
void requireMultiple(const Options& options, ImageSize size, std::int64_t stride);

}  // namespace layerwise::blocks
