#include "engine/batch_shapes.h"

#include <algorithm>
#include <utility>

#include "layerwise/error.h"

namespace layerwise {

BatchShapes::BatchShapes(const Graph& graph, std::vector<Dims> inputDims)
    : graph_(graph), inputDims_(std::move(inputDims)), whole_(inferShapes(graph, inputDims_)) {
  if (!inputDims_.empty() && !inputDims_[0].empty())
    batch_ = std::max<std::int64_t>(1, inputDims_[0][0]);
}

bool BatchShapes::divide() {
  if (batch_ == 1) return false;
  try {
    single_ = &of(1);
  } catch (const Error&) {
    return false;
  }
  return true;
}

ShapeTable BatchShapes::infer(std::int64_t images) const {
  std::vector<Dims> part = inputDims_;
  for (Dims& dims : part)
    if (!dims.empty() && dims[0] == batch_) dims[0] = images;
  return inferShapes(graph_, part);
}

const ShapeTable& BatchShapes::of(std::int64_t images) {
  if (images == batch_) return whole_;
  auto found = parts_.find(images);
  if (found == parts_.end()) found = parts_.emplace(images, infer(images)).first;
  return found->second;
}

bool BatchShapes::isBatched(ValueId value) const {
  if (!single_) return false;
  Dims one = dims(*single_, value);
  if (one.empty() || one[0] != 1) return false;
  one[0] = batch_;
  return one == dims(whole_, value);
}

bool BatchShapes::isImageByImage(const Node& node) const {
  if (!single_) return false;
  std::vector<TensorInfo> inputs;
  bool readsBatch = false;
  for (ValueId id : node.inputs) {
    inputs.push_back(whole_.values[static_cast<std::size_t>(id)]);
    if (isBatched(id))
      readsBatch = true;
    else if (!(dims(*single_, id) == dims(whole_, id)))
      return false;
  }
  return readsBatch &&
         std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId id) { return isBatched(id); }) &&
         node.kind->imageByImage(node.attributes.get(), inputs);
}

}  // namespace layerwise
