#pragma once

#include <string>

#include "layerwise/builder.h"
#include "layerwise/calibrator.h"
#include "layerwise/network.h"

namespace layerwise::apps {

/// Batches for a calibrator from a folder. Pictures (files in sub-folders too, at most `count`,
/// evenly spread over the sorted list) go through the preprocessing that the network's metadata
/// name, as when the network is used. Where the folder holds .npy files instead, INPUT.npy or
/// INPUT-ANYTHING.npy, each is one batch of that input; the files of several inputs go together in
/// the order of their names. Throws Error for a folder without either, and where the network says
/// nothing of pictures.
CalibrationSource openCalibrationSource(const std::string& folder, int count,
                                        const Network& network, const OptimizationProfile& profile);

}  // namespace layerwise::apps
