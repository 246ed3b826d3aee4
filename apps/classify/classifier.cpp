#include "apps/classify/classifier.h"

#include <fmt/format.h>

#include "layerwise/error.h"

namespace layerwise::apps {

Classifier::Classifier(std::shared_ptr<const Engine> engine, int batch, int threads)
    : engine_(std::move(engine)),
      input_(*engine_),
      context_(engine_->createContext({.threads = threads})),
      batch_(batch ? batch : input_.maxBatch()) {
  if (batch_ > input_.maxBatch())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[--batch] {} images: the engine takes at most {}; build it with "
                            "--batch {}",
                            batch_, input_.maxBatch(), batch_));
  const Dims& dims = engine_->outputs().at(0).dims;
  if (engine_->outputs().size() != 1 || dims.rank() != 2 || dims[1] < 1 ||
      engine_->outputs()[0].type != DataType::kFloat32)
    throw Error(ErrorCode::kUnsupported,
                "[engine] has not one output of class scores: it is no classifier");
  classes_ = static_cast<int>(dims[1]);
}

std::span<const float> Classifier::run(std::span<const ImageView> images, StageTimes& times) {
  {
    const auto lap = times.preprocessing.lap();
    planes_.resize(images.size() * static_cast<std::size_t>(input_.values()));
    float* planes = planes_.data();
    for (const ImageView& image : images) {
      input_.write(image, planes);
      planes += input_.values();
    }
  }
  const auto lap = times.inference.lap();
  logits_.resize(images.size() * static_cast<std::size_t>(classes_));
  context_->setInput(input_.name(), planes_.data(),
                     {static_cast<std::int64_t>(images.size()), input_.channels(), input_.height(),
                      input_.width()});
  context_->setOutput(engine_->outputs()[0].name, logits_.data());
  context_->run();
  return logits_;
}

}  // namespace layerwise::apps
