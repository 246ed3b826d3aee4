#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// The shapes of a graph for a batch of images, and for parts of that batch.
class BatchShapes {
 public:
  /// The batch is the first axis of the first input, and of the others that have as many there.
  BatchShapes(const Graph& graph, std::vector<Dims> inputDims);

  std::int64_t batch() const { return batch_; }
  const ShapeTable& whole() const { return whole_; }
  /// For so many images of the batch; kept.
  const ShapeTable& of(std::int64_t images);
  /// Finds out what the batch changes. False where it cannot be divided: there is one image, or the
  /// shapes of one are illegal.
  bool divide();
  /// Behind divide() alone; false where that was. Whether a value's first axis is the batch and its
  /// other axes do not depend on it.
  bool isBatched(ValueId value) const;
  /// Likewise. Whether a node may run on a part of the batch: what it writes for an image depends,
  /// of all batched values, on what it reads of that image alone.
  bool isImageByImage(const Node& node) const;

 private:
  ShapeTable infer(std::int64_t images) const;
  const Dims& dims(const ShapeTable& table, ValueId value) const {
    return table.values[static_cast<std::size_t>(value)].dims;
  }

  const Graph& graph_;
  std::vector<Dims> inputDims_;
  std::int64_t batch_ = 1;
  ShapeTable whole_;
  std::map<std::int64_t, ShapeTable> parts_;
  const ShapeTable* single_ = nullptr;  ///< of one image, once divided
};

}  // namespace layerwise
