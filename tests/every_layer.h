#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layers/quantized_convolution.h"
#include "layerwise/plugin.h"
#include "tests/graph_maker.h"

namespace layerwise {

/// A plugin with weights and every type of field: y[i] = x[i] factors[i % n].
class ScaledBy final : public Plugin {
 public:
  ScaledBy(std::string type, std::int64_t version, std::vector<float> factors)
      : type_(std::move(type)), version_(version), factors_(std::move(factors)) {}

  std::string_view type() const override { return type_; }
  std::int64_t version() const override { return version_; }
  Fields fields() const override {
    Fields fields;
    fields.set("integer", std::int64_t{-3});
    fields.set("real", 0.1);
    fields.set("text", std::string("a text"));
    fields.set("integers", std::vector<std::int64_t>{1, -2, std::int64_t{1} << 60});
    fields.set("reals", std::vector<double>{1e300, -0.0});
    return fields;
  }
  std::vector<Weights> weights() const override {
    return {{DataType::kFloat32, factors_.data(), static_cast<std::int64_t>(factors_.size())}};
  }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    if (inputs.size() != 1)
      throw Error(ErrorCode::kInvalidShape, "[plugin " + type_ + "] needs one input");
    return {inputs[0]};
  }
  void run(std::int64_t, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
           std::span<std::byte>) const override {
    for (std::int64_t i = 0; i < inputs[0].dims.volume(); ++i)
      outputs[0].as<float>()[i] =
          inputs[0].as<float>()[i] * factors_[static_cast<std::size_t>(i) % factors_.size()];
  }

 private:
  std::string type_;
  std::int64_t version_;
  std::vector<float> factors_;
};

inline void registerTestPlugin() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerPlugin("test_scaled_by", 1, [](const Fields& fields, std::span<const Weights> weights) {
      fields.reals("reals");
      if (weights.size() != 1 || weights[0].empty() || weights[0].type != DataType::kFloat32)
        throw Error(ErrorCode::kBadFile, "[plugin test_scaled_by] needs factors");
      auto* values = static_cast<const float*>(weights[0].values);
      return std::make_shared<ScaledBy>("test_scaled_by", 1,
                                        std::vector<float>(values, values + weights[0].count));
    });
  });
}

inline ValueId addPlugin(GraphMaker& maker, ValueId x, std::shared_ptr<const Plugin> plugin) {
  std::vector<ConstantData> weights;
  for (const Weights& w : plugin->weights())
    weights.push_back(ConstantData::copyOf(w.type, w.values, w.count));
  return maker.add(PluginLayer{std::move(plugin)}, {x}, std::move(weights));
}
inline ValueId addScaledBy(GraphMaker& maker, ValueId x, std::vector<float> factors) {
  return addPlugin(maker, x, std::make_shared<ScaledBy>("test_scaled_by", 1, std::move(factors)));
}
inline ValueId addUnregisteredPlugin(GraphMaker& maker, ValueId x) {
  return addPlugin(maker, x,
                   std::make_shared<ScaledBy>("test_unregistered", 7, std::vector<float>{1}));
}

/// A small graph with at least one layer of every kind, attributes set to other than their
/// defaults; needs registerTestPlugin().
inline Graph everyLayer() {
  GraphMaker m;
  m.graph.name = "every layer";
  int outputs = 0;
  auto show = [&](ValueId value) { m.output(value, "out" + std::to_string(outputs++)); };
  ValueId x =
      m.input("x", DataType::kFloat32, {-1, 4, 6, -1}, {{1, 4, 6, 5}, {2, 4, 6, 5}, {3, 4, 6, 9}});
  ValueId sequence = m.input("sequence", {2, 3, 4});

  Convolution convolution{{.outputs = 6,
                           .kernel = {3, 2},
                           .stride = {2, 1},
                           .paddingMode = PaddingMode::kSameLower,
                           .groups = 2}};
  show(m.add(convolution, {x}, {m.random(6 * 2 * 6), m.random(6)}));
  QuantizedConvolution quantized{.convolution = convolution,
                                 .activated = true,
                                 .activation = {ActivationType::kClip, -0.5, 2},
                                 .inputScale = 0.02,
                                 .inputZeroPoint = 3,
                                 .outputType = DataType::kFloat32};
  ConstantData kernel = ConstantData::of(DataType::kInt8, std::vector<std::int8_t>(72, -7));
  ConstantData zero = ConstantData::of(DataType::kFloat32, std::vector<float>{100});
  ValueId bytes = m.add(Quantize{}, {x}, {m.random(4, 0.01, 0.02), zero});
  show(m.add(Dequantize{.axis = -1}, {bytes}, {m.random(1, 0.01, 0.02)}));
  show(m.add(quantized, {bytes}, {kernel, m.random(6), m.random(6)}));
  Deconvolution deconvolution{{.outputs = 2, .kernel = {2, 2}, .stride = {2, 2}}, {1, 0}};
  show(m.add(deconvolution, {x}, {m.random(4 * 2 * 4)}));
  show(m.activation(x, ActivationType::kClip, 0.1, 0.7));
  Pooling pooling{.type = PoolingType::kAverage, .window = {3, 3}, .averageCountsPadding = true};
  pooling.setPadding({1, 1});
  show(m.add(pooling, {x}));
  show(m.add(Scale{.channelAxis = -3}, {x}, {m.random(4), {}, m.random(4, 1, 2)}));
  show(m.batchNorm(x, 4));
  ValueId greater =
      m.elementwise(x, m.constant({4, 1, 1}, m.random(4)), ElementWiseOperation::kGreater);
  show(m.add(Select{}, {greater, x, m.add(Unary{UnaryOperation::kAbs}, {x})}));
  show(m.add(Concatenation{.axis = -1}, {x, x}));
  Shuffle shuffle{.firstTranspose = {0, 2, 3, 1}, .secondTranspose = {1, 0}};
  shuffle.setReshape({0, -1});
  show(m.add(shuffle, {x}));
  show(m.add(Slice{{0, 1, 5, 0}, {-1, 2, 3, -1}, {1, 1, -2, 1}}, {x}));
  show(m.add(Padding{.pre = {0, 0, 1, 2}, .post = {0, 0, 0, 1}, .fill = PaddingFill::kReflect},
             {x}));
  show(m.add(Resize{.scales = {1, 1, 1.5, 2},
                    .mode = InterpolationMode::kLinear,
                    .coordinates = ResizeCoordinates::kHalfPixel},
             {x}));
  ValueId shape = m.add(Shape{}, {x});
  show(m.add(Gather{.axis = -1}, {shape, m.integers({3, 0})}));
  show(m.add(MatrixMultiply{.b = MatrixOperation::kTranspose}, {sequence, sequence}));
  show(m.add(FullyConnected{.outputs = 3, .axis = 2}, {sequence}, {m.random(12), m.random(3)}));
  show(m.add(Softmax{.axis = -2}, {x}));
  show(m.add(Reduce{ReduceOperation::kMax, {-1, 1}, true}, {x}));
  show(m.add(TopK{.k = 2, .axis = 1, .largest = false}, {x}));
  show(m.add(Cast{DataType::kInt32}, {x}));
  show(m.add(Identity{}, {x}));
  show(m.add(ParametricRelu{}, {x, m.constant({4, 1, 1}, m.random(4))}));
  show(m.add(Normalization{.axes = {2, 3}, .epsilon = 1e-3, .groups = 2}, {x}));
  show(m.add(Lrn{.window = 3, .alpha = 0.5}, {x}));
  show(m.add(PixelShuffle{}, {x}));
  Lstm lstm{.hidden = 3, .bidirectional = true};
  show(m.add(lstm, {sequence}, {m.random(2 * (12 * 4 + 12 * 3 + 24))}));
  show(addScaledBy(m, sequence, {2, 3}));
  return m.graph;
}

}  // namespace layerwise
