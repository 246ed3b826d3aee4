#include "plugins/detection_plugin.h"

#include <fmt/format.h>

#include "layerwise/error.h"

namespace layerwise {

Fields DetectionPlugin::fields() const {
  Fields fields;
  writeHead(fields);
  fields.set("capacity", output_.capacity());
  return fields;
}

std::vector<TensorInfo> DetectionPlugin::outputs(std::span<const TensorInfo> inputs) const {
  if (inputs.size() != maps_ + 2)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[{}] {} inputs, {} needed ({} maps, options, class filter)", type(),
                            inputs.size(), maps_ + 2, maps_));
  checkMaps(inputs.first(maps_));
  return output_.outputs(inputs[0].dims[0], inputs[maps_], inputs[maps_ + 1]);
}

TensorFormat DetectionPlugin::inputFormat(int index) const {
  return index < static_cast<int>(maps_) ? TensorFormat::kStrided : TensorFormat::kLinear;
}

std::int64_t DetectionPlugin::tasks(std::span<const TensorInfo> inputs) const {
  return inputs[0].dims[0];
}

void DetectionPlugin::run(std::int64_t image, std::span<const TensorView> inputs,
                          std::span<const TensorView> outputs, std::span<std::byte>) const {
  const NmsOptions options = output_.read(inputs[maps_], inputs[maps_ + 1]);
  std::vector<float> rows;
  appendCandidates(inputs.first(maps_), image, options.confidence, rows);
  output_.write(image, rows, options, outputs[0], outputs[1]);
}

}  // namespace layerwise
