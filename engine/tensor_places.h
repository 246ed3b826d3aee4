#pragma once

#include <cstddef>
#include <vector>

#include "engine/graph.h"
#include "engine/layout.h"
#include "engine/selection.h"
#include "engine/tactic.h"

namespace layerwise {

/// One tensor in one layout. It has memory of its own, or lies inside another copy as a box, or is
/// another copy's bytes under another shape.
struct TensorCopy {
  ValueId value = kNone;
  Layout layout;
  int parent = kNone;
  bool reshaped = false;  ///< the parent's bytes, this copy's shape
  Dims offset;            ///< in the parent
  int buffer = 0;
  bool movable = true;  ///< may still be put inside another copy
  bool ofLane = false;  ///< lies in a lane's memory, with room for the lane's images
  int first = -1;       ///< steps between which it must live
  int last = -1;
  std::size_t byteOffset = 0;
};

struct ProgramAction {
  int region = kNone;  ///< kNone: a reformat
  std::vector<int> inputs;
  std::vector<int> outputs;
};

/// The tensors of a selection's regions, the reformats between them, and which tensors share
/// memory: what the caller gave or wants, views, and outputs in the place of inputs.
class TensorPlaces {
 public:
  /// Keeps references to all three.
  TensorPlaces(const Graph& graph, const Selection& selection, const ShapeTable& shapes);

  const std::vector<ProgramAction>& actions() const { return actions_; }
  const ProgramAction& actionAt(int step) const { return actions_[static_cast<std::size_t>(step)]; }
  std::vector<TensorCopy>& copies() { return copies_; }
  const std::vector<TensorCopy>& copies() const { return copies_; }
  TensorCopy& copy(int index) { return copies_[static_cast<std::size_t>(index)]; }
  const TensorCopy& copy(int index) const { return copies_[static_cast<std::size_t>(index)]; }
  int reformats() const { return reformats_; }
  const TensorInfo& info(ValueId value) const {
    return shapes_.values[static_cast<std::size_t>(value)];
  }
  const Candidate& candidate(const ProgramAction& action) const {
    return selection_.regions[static_cast<std::size_t>(action.region)].chosen;
  }
  /// The copy whose memory a copy lies in.
  int root(int index) const;
  /// The copy as it lies in memory, with room for the whole batch or for a part of it.
  BufferView placeOf(int index, const ShapeTable& shapes) const;

 private:
  int addCopy(ValueId value, const Layout& layout);
  /// The copy of a value in a layout; made by a reformat of the first copy where there is none.
  int copyIn(ValueId value, const Layout& layout);
  int addReformat(int from, Layout layout);
  /// Kernels read bytes in words, and so up to three beyond the end: bytes are computed with in
  /// memory of the engine's own.
  static bool mayLieAtCaller(DataType type);
  void makeCopies();
  /// A value that is computed in linear layout is computed where the caller wants it; everything
  /// else is copied there at the end.
  void placeOutputs();
  /// Where the nodes of a region are views, puts the inner tensor into the outer one if nothing
  /// speaks against it.
  void placeViews(const ProgramAction& action);
  /// Where a view layer says that one tensor should lie inside another.
  struct Placement {
    int inner;
    int outer;
    Dims offset;
  };
  std::vector<Placement> placementsOf(const ProgramAction& action) const;
  void putInside(int inner, int outer, const Dims& offset);
  /// Where the inner tensor is a slice of a larger one, as the halves of merged sibling
  /// convolutions are, tries to put the larger one into the outer tensor as a whole, so that the
  /// slice comes to lie right. Its other slices may then share their place with what is
  /// concatenated, as long as they are read for the last time before that is written, or replaced
  /// by it.
  void placeWholeInside(const Placement& p, const std::vector<Placement>& placements);
  /// Whether a slice comes to lie where it should once what it is a slice of is put at `offset`.
  bool liesAt(const Placement& slice, Dims offset) const;
  /// Whether a step may write what is concatenated in the place of the slice that is its input, if
  /// `whole` lies at `offset`.
  bool replacesSlice(const ProgramAction& action, std::size_t input, const Placement& written,
                     int whole, const Dims& offset) const;
  /// Whether a tensor is produced by one step, after all reads of `whole` other than through its
  /// slice `kept`, if `whole` lies at `offset`.
  bool writtenAfterReads(const Placement& written, int whole, const Dims& offset, int kept) const;
  bool isInside(int index, int outer) const;
  /// Whether one copy lies in another at an offset, directly or by way of others.
  bool liesInside(const Placement& p) const;
  /// Puts a step's output where an input lies that nobody reads any more: what is read and written
  /// takes one place in the caches instead of two.
  void replaceInput(int step);
  /// Whether a copy takes all of the memory that it lies in.
  bool isWhole(int index) const;
  bool isDense(int index) const;
  /// A view layer whose tensors all lie where they should has nothing to do.
  void dropIdleActions();

  const Graph& graph_;
  const Selection& selection_;
  const ShapeTable& shapes_;
  std::vector<TensorCopy> copies_;
  std::vector<std::vector<int>> copiesOf_;  ///< by value
  std::vector<ProgramAction> actions_;
  int reformats_ = 0;
};

}  // namespace layerwise
