#pragma once

#include <memory>
#include <span>
#include <vector>

#include "apps/classify/image_input.h"
#include "apps/common/stage_times.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// Runs a classification engine on batches of pictures.
class Classifier {
 public:
  /// `batch` 0: the engine's most. Throws Error where it is more, with both numbers.
  Classifier(std::shared_ptr<const Engine> engine, int batch, int threads);

  int batch() const { return batch_; }
  int classes() const { return classes_; }
  const ImageInput& input() const { return input_; }

  /// The logits [images][classes] of at most batch() pictures; valid until the next call.
  std::span<const float> run(std::span<const ImageView> images, StageTimes& times);

 private:
  std::shared_ptr<const Engine> engine_;
  ImageInput input_;
  std::unique_ptr<ExecutionContext> context_;
  int batch_;
  int classes_ = 0;
  std::vector<float> planes_;
  std::vector<float> logits_;
};

}  // namespace layerwise::apps
