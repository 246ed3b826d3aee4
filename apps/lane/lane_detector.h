#pragma once

#include <memory>
#include <span>
#include <vector>

#include "apps/classify/image_input.h"
#include "apps/common/npy.h"
#include "apps/common/stage_times.h"
#include "layerwise/engine.h"
#include "layerwise/lane.h"

namespace layerwise::apps {

/// Runs a lane engine on one picture at a time.
class LaneDetector {
 public:
  /// Throws Error for an engine that is none of lanes.
  LaneDetector(std::shared_ptr<const Engine> engine, int threads);

  const LaneGrid& grid() const { return grid_; }
  const ImageInput& input() const { return input_; }

  /// The grid's logits; valid until the next call.
  std::span<const float> run(const ImageView& image, StageTimes& times);
  /// All outputs of the last run, by name.
  const std::vector<std::pair<std::string, Array>>& outputs() const { return outputs_; }

 private:
  std::shared_ptr<const Engine> engine_;
  ImageInput input_;
  LaneGrid grid_;
  std::unique_ptr<ExecutionContext> context_;
  std::vector<float> planes_;
  std::vector<std::pair<std::string, Array>> outputs_;
};

}  // namespace layerwise::apps
