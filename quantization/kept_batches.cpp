#include "quantization/kept_batches.h"

#include <algorithm>
#include <cstring>

#include "layerwise/error.h"

namespace layerwise {

void KeptBatches::keep(const CalibrationBatch& batch) {
  CalibrationBatch copy;
  for (const auto& [name, input] : batch.inputs) {
    auto known = std::find_if(graph_.inputs.begin(), graph_.inputs.end(), [&](const GraphInput& i) {
      return graph_.value(i.value).name == name;
    });
    if (known == graph_.inputs.end())
      throw Error(ErrorCode::kInvalidArgument,
                  "[calibrator] the network has no input '" + name + "'");
    std::size_t bytes = static_cast<std::size_t>(input.dims.volume()) * sizeOf(known->info.type);
    memory_.push_back(std::make_unique<std::byte[]>(bytes));
    std::memcpy(memory_.back().get(), input.data, bytes);
    copy.inputs[name] = {memory_.back().get(), input.dims};
    bytes_ += bytes;
  }
  batches_.push_back(std::move(copy));
}

bool ReplayingCalibrator::nextBatch(CalibrationBatch& batch) {
  if (next_ < kept_.all().size()) {
    batch = kept_.all()[next_++];
    return true;
  }
  if (!inner_.nextBatch(batch)) return false;
  if (!kept_.isFull()) {
    kept_.keep(batch);
    next_ = kept_.all().size();
  }
  return true;
}

}  // namespace layerwise
