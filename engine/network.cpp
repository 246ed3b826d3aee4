#include "layerwise/network.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/graph.h"
#include "engine/network_state.h"
#include "layerwise/error.h"

namespace layerwise {

Dims Tensor::dims() const {
  return network_->infoOf(*this).dims;
}
DataType Tensor::type() const {
  return network_->infoOf(*this).type;
}

void Tensor::setDims(const Dims& dims) {
  if (!isNetworkInput())
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("[tensor {}] is no network input: its shape follows from its layer", name_));
  inputDims_ = dims;
}

Tensor& Layer::input(int index) const {
  if (index < 0 || index >= inputCount())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{} {}] has no input {} of {}", kind_, name_, index, inputCount()));
  return *inputs_[static_cast<std::size_t>(index)];
}

void Layer::setInput(int index, Tensor& tensor) {
  input(index);
  inputs_[static_cast<std::size_t>(index)] = &tensor;
}

Tensor& Layer::output(int index) const {
  if (index < 0 || index >= outputCount())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{} {}] has no output {} of {}", kind_, name_, index, outputCount()));
  return *outputs_[static_cast<std::size_t>(index)];
}

void Layer::setWeights(int slot, Weights weights) {
  if (slot < 0 || slot >= static_cast<int>(weights_.size()))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("[{} {}] has no weights {} of {}", kind_,
                                                         name_, slot, weights_.size()));
  weights_[static_cast<std::size_t>(slot)] = weights;
}

namespace {

template <class T>
const T& elementAt(const NetworkState& network, const std::vector<T>& list, int index,
                   std::string_view what) {
  if (index < 0 || index >= static_cast<int>(list.size()))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("[network {}] has no {} {} of {}",
                                                         network.name, what, index, list.size()));
  return list[static_cast<std::size_t>(index)];
}

}  // namespace

Network::Network() : state_(std::make_unique<NetworkState>()) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const std::string& Network::name() const {
  return state_->name;
}
void Network::setName(std::string_view name) {
  state_->name = name;
}
int Network::inputCount() const {
  return static_cast<int>(state_->inputs.size());
}
Tensor& Network::input(int index) const {
  return *elementAt(*state_, state_->inputs, index, "input");
}
int Network::outputCount() const {
  return static_cast<int>(state_->outputs.size());
}
Tensor& Network::output(int index) const {
  return *elementAt(*state_, state_->outputs, index, "output").first;
}
std::string_view Network::outputName(int index) const {
  return elementAt(*state_, state_->outputs, index, "output").second;
}
int Network::layerCount() const {
  return static_cast<int>(state_->layers.size());
}
Layer& Network::layer(int index) const {
  return *elementAt(*state_, state_->layers, index, "layer");
}
const std::vector<double>& Network::defaultOf(const Tensor& input) const {
  return input.default_;
}
std::map<std::string, std::string>& Network::metadata() {
  return state_->metadata;
}
const std::map<std::string, std::string>& Network::metadata() const {
  return state_->metadata;
}

Tensor& Network::addInput(std::string_view name, DataType type, const Dims& dims) {
  if (name.empty()) throw Error(ErrorCode::kInvalidArgument, "[network input] needs a name");
  for (const auto& input : state_->inputs)
    if (input->name() == name)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[network input {}] is there already", name));
  for (std::int64_t dim : dims)
    if (dim < -1)
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("[network input {}] {} is no shape", name, toString(dims)));
  std::unique_ptr<Tensor> tensor(new Tensor(state_.get(), nullptr, inputCount()));
  tensor->name_ = name;
  tensor->inputType_ = type;
  tensor->inputDims_ = dims;
  state_->inputs.push_back(std::move(tensor));
  return *state_->inputs.back();
}

Tensor& Network::addInput(std::string_view name, const Dims& dims,
                          std::vector<double> defaultValues) {
  if (dims.volume() != static_cast<std::int64_t>(defaultValues.size()))
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[network input {}] {} default values, {} needed ({})", name,
                            defaultValues.size(), dims.volume(), toString(dims)));
  Tensor& tensor = addInput(name, DataType::kFloat32, dims);
  tensor.default_ = std::move(defaultValues);
  return tensor;
}

void Network::markOutput(Tensor& tensor, std::string_view name) {
  std::string chosen(name.empty() ? std::string_view(tensor.name()) : name);
  for (const auto& [output, taken] : state_->outputs)
    if (taken == chosen)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[network output {}] is there already", chosen));
  state_->outputs.emplace_back(&tensor, chosen);
}

void Network::insert(std::unique_ptr<Layer> layer, std::vector<Tensor*> inputs,
                     std::vector<Weights> weights) {
  const LayerKind& kind = LayerRegistry::instance().at(layer->kind());
  layer->name_ = fmt::format("{}_{}", kind.name, state_->layers.size());
  if (weights.size() > kind.weightRoles.size() && kind.name != PluginLayer::kKind)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{} {}] {} weights, at most {} needed", kind.name, layer->name_,
                            weights.size(), kind.weightRoles.size()));
  weights.resize(std::max(weights.size(), kind.weightRoles.size()));
  for (Tensor* input : inputs) {
    if (!input)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[{} {}] an input is null", kind.name, layer->name_));
    if (input->network_ != state_.get())
      throw Error(ErrorCode::kInvalidArgument, fmt::format("[{} {}] input {} is of another network",
                                                           kind.name, layer->name_, input->name()));
  }
  layer->inputs_ = std::move(inputs);
  layer->weights_ = std::move(weights);
  int outputs = kind.outputs(layer->attributesPointer());
  for (int i = 0; i < outputs; ++i) {
    layer->outputs_.emplace_back(new Tensor(state_.get(), layer.get(), i));
    layer->outputs_.back()->name_ = i ? fmt::format("{}:{}", layer->name_, i) : layer->name_;
  }
  state_->layers.push_back(std::move(layer));
}

Weights Network::keep(std::vector<float> values) {
  const auto& kept = state_->keptFloats.emplace_back(std::move(values));
  return {DataType::kFloat32, kept.data(), static_cast<std::int64_t>(kept.size())};
}

Weights Network::keep(std::vector<std::int64_t> values) {
  const auto& kept = state_->keptIntegers.emplace_back(std::move(values));
  return {DataType::kInt64, kept.data(), static_cast<std::int64_t>(kept.size())};
}

LayerOf<Convolution>& Network::addConvolution(Tensor& input, std::int64_t outputs,
                                              const Dims& kernel, Weights weights, Weights bias) {
  return add(Convolution{{.outputs = outputs, .kernel = kernel}}, {&input}, {weights, bias});
}

LayerOf<Deconvolution>& Network::addDeconvolution(Tensor& input, std::int64_t outputs,
                                                  const Dims& kernel, Weights weights,
                                                  Weights bias) {
  return add(Deconvolution{{.outputs = outputs, .kernel = kernel}}, {&input}, {weights, bias});
}

LayerOf<Activation>& Network::addActivation(Tensor& input, ActivationType type, double alpha,
                                            double beta) {
  return add(Activation{type, alpha, beta}, {&input});
}

LayerOf<Pooling>& Network::addPooling(Tensor& input, PoolingType type, const Dims& window) {
  return add(Pooling{.type = type, .window = window}, {&input});
}

LayerOf<Pooling>& Network::addGlobalPooling(Tensor& input, PoolingType type) {
  return add(Pooling{.type = type, .global = true}, {&input});
}

LayerOf<Scale>& Network::addScale(Tensor& input, ScaleMode mode, Weights shift, Weights scale,
                                  Weights power) {
  return add(Scale{.mode = mode}, {&input}, {shift, scale, power});
}

LayerOf<BatchNorm>& Network::addBatchNorm(Tensor& input, Weights gamma, Weights beta, Weights mean,
                                          Weights variance, double epsilon) {
  return add(BatchNorm{epsilon}, {&input}, {gamma, beta, mean, variance});
}

LayerOf<ElementWise>& Network::addElementWise(Tensor& a, Tensor& b,
                                              ElementWiseOperation operation) {
  return add(ElementWise{operation}, {&a, &b});
}

LayerOf<Unary>& Network::addUnary(Tensor& input, UnaryOperation operation) {
  return add(Unary{operation}, {&input});
}

LayerOf<Concatenation>& Network::addConcatenation(std::vector<Tensor*> inputs, std::int64_t axis) {
  return add(Concatenation{axis}, std::move(inputs));
}

LayerOf<Shuffle>& Network::addShuffle(Tensor& input) {
  return add(Shuffle{}, {&input});
}

LayerOf<Slice>& Network::addSlice(Tensor& input, const Dims& start, const Dims& size,
                                  const Dims& step) {
  return add(Slice{start, size, step}, {&input});
}

LayerOf<Padding>& Network::addPadding(Tensor& input, const Dims& pre, const Dims& post) {
  return add(Padding{.pre = pre, .post = post}, {&input});
}

LayerOf<Resize>& Network::addResize(Tensor& input) {
  return add(Resize{}, {&input});
}
LayerOf<Constant>& Network::addConstant(const Dims& dims, Weights values) {
  return add(Constant{dims}, std::vector<Tensor*>{}, {values});
}
LayerOf<Shape>& Network::addShape(Tensor& input) {
  return add(Shape{}, {&input});
}

LayerOf<MatrixMultiply>& Network::addMatrixMultiply(Tensor& a, MatrixOperation opA, Tensor& b,
                                                    MatrixOperation opB) {
  return add(MatrixMultiply{opA, opB}, {&a, &b});
}

LayerOf<FullyConnected>& Network::addFullyConnected(Tensor& input, std::int64_t outputs,
                                                    Weights kernel, Weights bias) {
  return add(FullyConnected{.outputs = outputs}, {&input}, {kernel, bias});
}

LayerOf<Softmax>& Network::addSoftmax(Tensor& input, std::int64_t axis) {
  return add(Softmax{axis}, {&input});
}

LayerOf<Reduce>& Network::addReduce(Tensor& input, ReduceOperation operation,
                                    std::vector<std::int64_t> axes, bool keepDimensions) {
  return add(Reduce{operation, std::move(axes), keepDimensions}, {&input});
}

LayerOf<TopK>& Network::addTopK(Tensor& input, bool largest, std::int64_t k, std::int64_t axis) {
  return add(TopK{k, axis, largest}, {&input});
}

LayerOf<Gather>& Network::addGather(Tensor& data, Tensor& indices, std::int64_t axis) {
  return add(Gather{.axis = axis}, {&data, &indices});
}

LayerOf<Cast>& Network::addCast(Tensor& input, DataType to) {
  return add(Cast{to}, {&input});
}
LayerOf<Quantize>& Network::addQuantize(Tensor& input, DataType to, Weights scales,
                                        Weights zeroPoints) {
  return add(Quantize{to}, {&input}, {scales, zeroPoints});
}
LayerOf<Dequantize>& Network::addDequantize(Tensor& input, Weights scales, Weights zeroPoints) {
  return add(Dequantize{}, {&input}, {scales, zeroPoints});
}
LayerOf<Identity>& Network::addIdentity(Tensor& input) {
  return add(Identity{}, {&input});
}

LayerOf<ParametricRelu>& Network::addParametricRelu(Tensor& input, Tensor& slope) {
  return add(ParametricRelu{}, {&input, &slope});
}

LayerOf<Normalization>& Network::addNormalization(Tensor& input, std::vector<std::int64_t> axes,
                                                  Tensor* scale, Tensor* bias) {
  std::vector<Tensor*> inputs{&input};
  if (scale) inputs.push_back(scale);
  if (bias) inputs.push_back(bias);
  return add(Normalization{.axes = std::move(axes)}, std::move(inputs));
}

LayerOf<Lrn>& Network::addLrn(Tensor& input, std::int64_t window, double alpha, double beta,
                              double k) {
  return add(Lrn{window, alpha, beta, k}, {&input});
}

LayerOf<Select>& Network::addSelect(Tensor& condition, Tensor& a, Tensor& b) {
  return add(Select{}, {&condition, &a, &b});
}

LayerOf<PixelShuffle>& Network::addPixelShuffle(Tensor& input, std::int64_t factor) {
  return add(PixelShuffle{.factor = factor}, {&input});
}

LayerOf<Lstm>& Network::addLstm(Tensor& input, std::int64_t hidden, Weights weights) {
  return add(Lstm{.hidden = hidden}, {&input}, {weights});
}

LayerOf<PluginLayer>& Network::addPlugin(std::vector<Tensor*> inputs,
                                         std::shared_ptr<const Plugin> plugin) {
  std::vector<Weights> weights = plugin->weights();
  return add(PluginLayer{std::move(plugin)}, std::move(inputs), std::move(weights));
}

}  // namespace layerwise
