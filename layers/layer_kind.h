#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/attributes.h"
#include "layers/reference_tensor.h"
#include "layerwise/plugin.h"

namespace layerwise {

/// An input as a shape rule sees it.
struct ShapeInput {
  TensorInfo info;
  /// The values of a small integer tensor where they follow from shapes alone; nullptr otherwise.
  const std::vector<std::int64_t>* values = nullptr;
};

/// One weight of a layer as a shape rule sees it: count 0 where the layer has none.
struct WeightInfo {
  DataType type = DataType::kFloat32;
  std::int64_t count = 0;
};

/// What a shape rule may look at.
class ShapeContext {
 public:
  ShapeContext(std::string_view kind, std::string_view name,
               std::span<const ShapeInput> layerInputs, std::span<const WeightInfo> layerWeights)
      : inputs(layerInputs), weights(layerWeights), kind_(kind), name_(name) {}

  std::span<const ShapeInput> inputs;
  std::span<const WeightInfo> weights;

  const Dims& dims(int input = 0) const {
    return inputs[static_cast<std::size_t>(input)].info.dims;
  }
  DataType type(int input = 0) const { return inputs[static_cast<std::size_t>(input)].info.type; }

  /// Throws "[kind name] message".
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(
        ErrorCode::kInvalidShape,
        fmt::format("[{} {}] {}", kind_, name_, fmt::format(format, std::forward<Args>(args)...)));
  }
  /// Throws where weight `slot` does not hold as many values as `dims` says; an optional weight may
  /// be missing.
  void expectWeights(int slot, std::string_view role, const Dims& dims,
                     bool optional = false) const;
  /// Throws where input `index` has not at least `low` and at most `high` axes.
  void expectRank(int index, int low, int high) const;
  /// Throws where input `index` is not of a floating-point type.
  void expectFloat(int index = 0) const;
  /// Throws where inputs `a` and `b` differ in type.
  void expectSameType(int a, int b) const;
  /// The values of input `index`, an integer tensor of one axis that must follow from shapes alone;
  /// throws otherwise and for more than Dims::kMaxRank values.
  Dims shapeValues(int index, std::string_view role) const;
  /// `axis`, counted from the end when negative; throws where it is outside `rank` axes.
  int axis(std::int64_t axis, int rank, std::string_view attribute = "axis") const;

 private:
  std::string_view kind_;
  std::string_view name_;
};

/// What a reference computation reads and writes. Outputs have their shape and type; values are
/// written unrounded.
struct ReferenceContext {
  std::span<const ReferenceTensor> inputs;
  std::span<const ReferenceTensor> weights;  ///< info.dims is {count}
  std::span<ReferenceTensor> outputs;
};

/// What passes and fusions may know of a layer without knowing the layer.
struct Traits {
  bool pointwise =
      false;  ///< one input; each output element depends on the same element of the input alone
  bool channelAffine =
      false;          ///< a scale and a shift a channel: can be folded into a convolution before it
  bool view = false;  ///< the output's elements are the input's: no arithmetic
  bool shapeOnly =
      false;  ///< the output follows from the shapes of the inputs, whatever their values
};

/// A tensor of a layer that is a box of another one: what lets a concatenation write nothing and a
/// slice read nothing.
struct BoxView {
  bool outputInsideInput =
      false;  ///< a slice; otherwise an input inside an output: a concatenation
  int input = 0;
  int output = 0;
  Dims offset;  ///< of the inner tensor's first element in the outer one
};

/// What a layer means. One a file in layers/; the registry holds them by name.
struct LayerKind {
  std::string name;
  std::vector<std::string> weightRoles;  ///< "kernel", "bias"
  int minInputs = 1;
  int maxInputs = 1;
  const AttributeOperations* attributes = nullptr;
  /// The outputs' types and shapes. Dimensions are concrete. Throws through the context.
  std::function<std::vector<TensorInfo>(const void* attributes, const ShapeContext&)> infer;
  /// The specification: accumulates in double, shares no code with any tactic.
  std::function<void(const void* attributes, const ReferenceContext&)> reference;
  std::function<Traits(const void* attributes)> traits;
  std::function<int(const void* attributes)> outputs;  ///< how many outputs there are
  /// The boxes among inputs and outputs; empty where there are none.
  std::function<std::vector<BoxView>(const void* attributes, std::span<const TensorInfo> inputs,
                                     std::span<const TensorInfo> outputs)>
      boxes;
  /// Whether output 0 has the elements of input 0 in the same row-major order (a reshape).
  std::function<bool(const void* attributes, const TensorInfo& input)> reshapes;
  /// Whether what lies at an index of the outputs' first axis depends, of those inputs whose first
  /// axis is the batch too, on what lies at that index alone; for inputs and outputs that keep
  /// their other axes when the batch changes.
  std::function<bool(const void* attributes, std::span<const TensorInfo> inputs)> imageByImage;
};

/// The typed form that a layer's file fills in.
template <class A>
struct LayerDefinition {
  std::vector<std::string> weightRoles = {};
  int minInputs = 1;
  int maxInputs = 1;  ///< for any number: kAnyInputs
  std::vector<TensorInfo> (*infer)(const A&, const ShapeContext&);
  void (*reference)(const A&, const ReferenceContext&);
  Traits (*traits)(const A&) = nullptr;
  int outputs = 1;
  std::vector<BoxView> (*boxes)(const A&, std::span<const TensorInfo> inputs,
                                std::span<const TensorInfo> outputs) = nullptr;
  bool (*reshapes)(const A&, const TensorInfo& input) = nullptr;
  bool (*imageByImage)(const A&, std::span<const TensorInfo> inputs) = nullptr;  ///< null: never
};

/// LayerDefinition::imageByImage of layers that are so by their nature.
template <class A>
bool alwaysImageByImage(const A&, std::span<const TensorInfo>) {
  return true;
}

/// Whether `axis`, counted from the end when negative, is the input's first.
inline bool isFirstAxis(std::int64_t axis, const TensorInfo& input) {
  return axis == 0 || axis == -input.dims.rank();
}

/// Of layers that broadcast: true where the first axes are the same axis.
template <class A>
bool imageByImageInOneRank(const A&, std::span<const TensorInfo> inputs) {
  return std::all_of(inputs.begin(), inputs.end(), [&](const TensorInfo& input) {
    return input.dims.rank() == inputs[0].dims.rank();
  });
}

inline constexpr int kAnyInputs = 1 << 20;

class LayerRegistry {
 public:
  /// With every layer of layers/.
  static const LayerRegistry& instance();

  template <class A>
  void add(const LayerDefinition<A>& definition) {
    LayerKind kind;
    kind.name = A::kKind;
    kind.weightRoles = definition.weightRoles;
    kind.minInputs = definition.minInputs;
    kind.maxInputs = definition.maxInputs;
    kind.attributes = &attributeOperations<A>();
    kind.infer = [f = definition.infer](const void* a, const ShapeContext& c) {
      return f(*static_cast<const A*>(a), c);
    };
    kind.reference = [f = definition.reference](const void* a, const ReferenceContext& c) {
      f(*static_cast<const A*>(a), c);
    };
    kind.traits = [f = definition.traits](const void* a) {
      return f ? f(*static_cast<const A*>(a)) : Traits{};
    };
    kind.outputs = [n = definition.outputs](const void*) { return n; };
    kind.boxes = [f = definition.boxes](const void* a, std::span<const TensorInfo> in,
                                        std::span<const TensorInfo> out) {
      return f ? f(*static_cast<const A*>(a), in, out) : std::vector<BoxView>{};
    };
    kind.reshapes = [f = definition.reshapes](const void* a, const TensorInfo& in) {
      return f && f(*static_cast<const A*>(a), in);
    };
    kind.imageByImage = [f = definition.imageByImage](const void* a,
                                                      std::span<const TensorInfo> in) {
      return f && f(*static_cast<const A*>(a), in);
    };
    add(std::move(kind));
  }
  void add(LayerKind kind);

  const LayerKind* find(std::string_view name) const;
  /// Throws Error kUnsupported naming the kind.
  const LayerKind& at(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, LayerKind, std::less<>> kinds_;
};

/// The largest size of an axis: sums and products of a few sizes stay far from overflow.
inline constexpr std::int64_t kMaxSize = std::int64_t{1} << 40;

/// Runs the shape rule after checking the number of inputs and weights, and checks what it gives.
std::vector<TensorInfo> inferLayer(const LayerKind& kind, const void* attributes,
                                   const ShapeContext& context, std::string_view name);

}  // namespace layerwise
