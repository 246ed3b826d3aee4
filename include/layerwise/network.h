#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerwise/dims.h"
#include "layerwise/export.h"
#include "layerwise/layers.h"
#include "layerwise/plugin.h"
#include "layerwise/weights.h"

namespace layerwise {

class Layer;
class Network;
struct NetworkState;

/// An edge of a network. Owned by its Network; the address is stable.
class LAYERWISE_API Tensor {
 public:
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  const std::string& name() const { return name_; }
  void setName(std::string_view name) { name_ = name; }

  /// The shape, computed now from what the network says now: -1 where it follows a dynamic input
  /// dimension. Throws Error naming the layer, the attribute and both shapes where they do not fit.
  Dims dims() const;
  DataType type() const;

  /// A network input's own shape; throws Error on any other tensor.
  void setDims(const Dims& dims);

  bool isNetworkInput() const { return producer_ == nullptr; }
  /// The layer it comes out of; nullptr for a network input.
  Layer* producer() const { return producer_; }

  /// The range that quantisation maps to 8 bits; overrides a calibrator's.
  void setDynamicRange(double min, double max) { range_ = std::pair(min, max); }
  const std::optional<std::pair<double, double>>& dynamicRange() const { return range_; }

 private:
  friend class Network;
  friend struct NetworkState;
  Tensor(NetworkState* network, Layer* producer, int index)
      : network_(network), producer_(producer), index_(index) {}

  NetworkState* network_;
  Layer* producer_;
  int index_;
  std::string name_;
  DataType inputType_ = DataType::kFloat32;
  Dims inputDims_;
  std::vector<double> default_;
  std::optional<std::pair<double, double>> range_;
};

/// A node of a network. Owned by its Network; the address is stable. All of it stays readable and
/// changeable until the network is built.
class LAYERWISE_API Layer {
 public:
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  std::string_view kind() const { return kind_; }
  const std::string& name() const { return name_; }
  void setName(std::string_view name) { name_ = name; }

  int inputCount() const { return static_cast<int>(inputs_.size()); }
  Tensor& input(int index) const;  ///< throws Error for an index outside
  void setInput(int index, Tensor& tensor);
  int outputCount() const { return static_cast<int>(outputs_.size()); }
  Tensor& output(int index = 0) const;  ///< throws Error for an index outside

  /// The weights in the order that the attribute struct's comment gives; borrowed until the build.
  const std::vector<Weights>& weights() const { return weights_; }
  void setWeights(int slot, Weights weights);

  /// A wish for the type the layer computes in (kFloat32 keeps it out of a reduced-precision
  /// build).
  void setPrecision(DataType type) { precision_ = type; }
  std::optional<DataType> precision() const { return precision_; }

  /// The attribute struct itself: LayerOf<A>::attributes() with its type erased.
  virtual const void* attributesPointer() const = 0;

 protected:
  explicit Layer(std::string_view kind) : kind_(kind) {}

 private:
  friend class Network;
  friend struct NetworkState;
  std::string kind_;
  std::string name_;
  std::vector<Tensor*> inputs_;
  std::vector<std::unique_ptr<Tensor>> outputs_;
  std::vector<Weights> weights_;
  std::optional<DataType> precision_;
};

/// A layer with its attributes: `conv->stride = {2, 2};`.
template <class A>
class LayerOf final : public Layer {
 public:
  explicit LayerOf(A attributes) : Layer(A::kKind), attributes_(std::move(attributes)) {}
  A& attributes() { return attributes_; }
  const A& attributes() const { return attributes_; }
  A* operator->() { return &attributes_; }
  const void* attributesPointer() const override { return &attributes_; }

 private:
  A attributes_;
};

/// What a plugin layer holds; made by Network::addPlugin.
struct PluginLayer {
  static constexpr std::string_view kKind = "plugin";
  std::shared_ptr<const Plugin> plugin;
};

/// A network under definition: inputs, layers, outputs. Explicit batch, up to 8 dimensions. Shapes
/// are inferred when asked for. Not safe for concurrent calls.
class LAYERWISE_API Network {
 public:
  Network();
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  const std::string& name() const;
  void setName(std::string_view name);

  /// Dimensions of -1 are given by an optimisation profile. Throws Error for a name that is taken
  /// or empty.
  Tensor& addInput(std::string_view name, DataType type, const Dims& dims);
  /// A float input that need not be set at run time: `values` stand for it then (dims must be
  /// static).
  Tensor& addInput(std::string_view name, const Dims& dims, std::vector<double> defaultValues);
  /// Makes a tensor an output under `name` (empty: keeps the tensor's name). Throws Error for a
  /// name that is taken.
  void markOutput(Tensor& tensor, std::string_view name = {});

  /// Adds any layer: attributes, inputs in order, weights in order.
  template <class A>
  LayerOf<A>& add(A attributes, std::initializer_list<Tensor*> inputs,
                  std::vector<Weights> weights = {}) {
    return add(std::move(attributes), std::vector<Tensor*>(inputs), std::move(weights));
  }
  template <class A>
  LayerOf<A>& add(A attributes, std::vector<Tensor*> inputs, std::vector<Weights> weights = {}) {
    auto layer = std::make_unique<LayerOf<A>>(std::move(attributes));
    LayerOf<A>& reference = *layer;
    insert(std::move(layer), std::move(inputs), std::move(weights));
    return reference;
  }

  // TensorRT's names for the same. What a layer computes, its weights' shapes and the attributes
  // that are not among the parameters: layers.h.
  LayerOf<Convolution>& addConvolution(Tensor& input, std::int64_t outputs, const Dims& kernel,
                                       Weights weights, Weights bias = {});
  LayerOf<Deconvolution>& addDeconvolution(Tensor& input, std::int64_t outputs, const Dims& kernel,
                                           Weights weights, Weights bias = {});
  LayerOf<Activation>& addActivation(Tensor& input, ActivationType type, double alpha = 0,
                                     double beta = 0);
  LayerOf<Pooling>& addPooling(Tensor& input, PoolingType type, const Dims& window);
  LayerOf<Pooling>& addGlobalPooling(Tensor& input, PoolingType type);
  LayerOf<Scale>& addScale(Tensor& input, ScaleMode mode, Weights shift, Weights scale,
                           Weights power = {});
  LayerOf<BatchNorm>& addBatchNorm(Tensor& input, Weights gamma, Weights beta, Weights mean,
                                   Weights variance, double epsilon = 1e-5);
  LayerOf<ElementWise>& addElementWise(Tensor& a, Tensor& b, ElementWiseOperation operation);
  LayerOf<Unary>& addUnary(Tensor& input, UnaryOperation operation);
  LayerOf<Concatenation>& addConcatenation(std::vector<Tensor*> inputs, std::int64_t axis = 1);
  LayerOf<Shuffle>& addShuffle(Tensor& input);
  LayerOf<Slice>& addSlice(Tensor& input, const Dims& start, const Dims& size,
                           const Dims& step = {});
  LayerOf<Padding>& addPadding(Tensor& input, const Dims& pre, const Dims& post);
  LayerOf<Resize>& addResize(Tensor& input);
  LayerOf<Constant>& addConstant(const Dims& dims, Weights values);
  LayerOf<Shape>& addShape(Tensor& input);
  LayerOf<MatrixMultiply>& addMatrixMultiply(Tensor& a, MatrixOperation opA, Tensor& b,
                                             MatrixOperation opB);
  LayerOf<FullyConnected>& addFullyConnected(Tensor& input, std::int64_t outputs, Weights kernel,
                                             Weights bias = {});
  LayerOf<Softmax>& addSoftmax(Tensor& input, std::int64_t axis = 1);
  LayerOf<Reduce>& addReduce(Tensor& input, ReduceOperation operation,
                             std::vector<std::int64_t> axes, bool keepDimensions);
  LayerOf<TopK>& addTopK(Tensor& input, bool largest, std::int64_t k, std::int64_t axis);
  LayerOf<Gather>& addGather(Tensor& data, Tensor& indices, std::int64_t axis);
  LayerOf<Cast>& addCast(Tensor& input, DataType to);
  LayerOf<Quantize>& addQuantize(Tensor& input, DataType to, Weights scales,
                                 Weights zeroPoints = {});
  LayerOf<Dequantize>& addDequantize(Tensor& input, Weights scales, Weights zeroPoints = {});
  LayerOf<Identity>& addIdentity(Tensor& input);
  LayerOf<ParametricRelu>& addParametricRelu(Tensor& input, Tensor& slope);
  LayerOf<Normalization>& addNormalization(Tensor& input, std::vector<std::int64_t> axes,
                                           Tensor* scale = nullptr, Tensor* bias = nullptr);
  LayerOf<Lrn>& addLrn(Tensor& input, std::int64_t window, double alpha, double beta, double k);
  LayerOf<Select>& addSelect(Tensor& condition, Tensor& a, Tensor& b);
  LayerOf<PixelShuffle>& addPixelShuffle(Tensor& input, std::int64_t factor);
  LayerOf<Lstm>& addLstm(Tensor& input, std::int64_t hidden, Weights weights);
  LayerOf<PluginLayer>& addPlugin(std::vector<Tensor*> inputs,
                                  std::shared_ptr<const Plugin> plugin);

  /// Keeps a copy of values that the caller made on the fly (a fused scale, a constant); valid
  /// while the network lives.
  Weights keep(std::vector<float> values);
  Weights keep(std::vector<std::int64_t> values);

  // In the order of adding or marking; an index outside throws Error.
  int inputCount() const;
  Tensor& input(int index) const;
  int outputCount() const;
  Tensor& output(int index) const;
  std::string_view outputName(int index) const;
  int layerCount() const;
  Layer& layer(int index) const;
  /// What stands for an input that is not set at run time; empty where it has to be set.
  const std::vector<double>& defaultOf(const Tensor& input) const;

  /// Free text that goes into the engine (class names, task, preprocessing); read back with
  /// Engine::metadata().
  std::map<std::string, std::string>& metadata();
  const std::map<std::string, std::string>& metadata() const;

  /// For the builder.
  const NetworkState& state() const { return *state_; }

 private:
  void insert(std::unique_ptr<Layer> layer, std::vector<Tensor*> inputs,
              std::vector<Weights> weights);

  std::unique_ptr<NetworkState> state_;
};

}  // namespace layerwise
