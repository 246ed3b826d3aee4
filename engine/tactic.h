#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "engine/layout.h"

namespace layerwise {

/// A place in one of a context's buffers: never a raw pointer, so that bound steps outlive the
/// memory they run on.
struct BufferView {
  int buffer = 0;  ///< 0 is the arena; 1... are the inputs, then the outputs, then constants
  std::size_t byteOffset = 0;
  DataType type = DataType::kFloat32;
  Dims dims;
  Dims strides;  ///< in elements

  bool isDense() const;  ///< row-major without gaps
};

/// One way to run one connected region of the graph.
struct Candidate {
  const class Tactic* tactic = nullptr;
  std::vector<NodeId> nodes;     ///< topological; the first is the one match() was asked for
  std::vector<ValueId> inputs;   ///< what the region reads, in the tactic's own order
  std::vector<ValueId> outputs;  ///< what it writes
  std::vector<Layout> inputLayouts;
  std::vector<Layout> outputLayouts;
  /// The input whose memory the first output may take, where both have one shape and layout: an
  /// element of it is read by the unit of work alone that writes the output's at that place, before
  /// that is written. kNone: none.
  int replacedInput = kNone;
  std::string parameters;  ///< stable text, "mr=14 nv=2"; part of the plan's tuned section
  double seconds = 0;      ///< the cost model's estimate for the profile's opt shapes
  double flops = 0;
  double bytes = 0;
};

struct MatchContext {
  const Graph& graph;
  const ShapeTable& shapes;  ///< for the profile's opt shapes
  int workers = 1;
  /// Whether tactics that round weights look at all of them and match only where they bear it.
  /// False: what an earlier build, which did, chose is looked up among the candidates.
  bool looksAtWeights = true;
};

struct BindContext {
  const Graph& graph;
  const Candidate& candidate;
  const ShapeTable& shapes;
  std::span<const BufferView> inputs;  ///< in the candidate's order and layouts
  std::span<const BufferView> outputs;
  std::shared_ptr<const void> packed;  ///< what pack() gave
  int workers = 1;
};

/// A region bound to shapes and places; immutable. What it can do beyond that is the backend's
/// business.
class Step {
 public:
  virtual ~Step() = default;
};

/// A way to run a region. Registered with a backend; knows its instruction set, layouts and
/// parameters.
///
/// Rules that every tactic keeps: it honours the strides of all axes of inputs and outputs, of
/// which the layout's innermost is 1; it writes nothing outside the logical extent; it may read 64
/// bytes beyond, and what it finds there never reaches a result, but nothing beyond a tensor in
/// linear layout, which may be the caller's memory, unless it is one of bytes, which never is; the
/// order in which an output's terms are summed depends on the node and the candidate alone.
class Tactic {
 public:
  virtual ~Tactic() = default;
  virtual std::string_view name() const = 0;  ///< stable: "conv_direct_f32_avx512"
  virtual int version() const { return 1; }
  /// Whether it runs on whatever memory holds, as it does when it is timed; not where some values
  /// are refused.
  virtual bool takesAnyValues() const { return true; }
  /// Adds the candidates whose region begins at `node`.
  virtual void match(const MatchContext& context, NodeId node,
                     std::vector<Candidate>& candidates) const = 0;
  /// The weights in the form the kernel reads; once an engine, independent of shapes. nullptr:
  /// nothing to pack.
  virtual std::shared_ptr<const void> pack(const Graph&, const Candidate&) const { return nullptr; }
  virtual std::unique_ptr<Step> bind(const BindContext& context) const = 0;
};

}  // namespace layerwise
