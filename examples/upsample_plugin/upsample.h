#pragma once

#include <memory>

#include "layerwise/error.h"
#include "layerwise/plugin.h"

/// Enlarges N x C x H x W float maps `scale` times by repeating pixels: a layer of one's own, as
/// docs/plugins.md explains it.
class Upsample final : public layerwise::Plugin {
 public:
  explicit Upsample(std::int64_t scale) : scale_(scale) {
    if (scale < 1 || scale > 64)
      throw layerwise::Error(layerwise::ErrorCode::kInvalidArgument,
                             "[plugin Upsample] scale must be 1 to 64");
  }

  std::string_view type() const override { return "Upsample"; }

  // What the engine file stores, and how it comes back.
  layerwise::Fields fields() const override {
    layerwise::Fields fields;
    fields.set("scale", scale_);
    return fields;
  }
  static std::shared_ptr<const Plugin> create(const layerwise::Fields& fields,
                                              std::span<const layerwise::Weights> /*weights*/) {
    return std::make_shared<Upsample>(fields.integer("scale"));
  }

  std::vector<layerwise::TensorInfo> outputs(
      std::span<const layerwise::TensorInfo> inputs) const override {
    if (inputs.size() != 1 || inputs[0].dims.rank() != 4 ||
        inputs[0].type != layerwise::DataType::kFloat32)
      throw layerwise::Error(layerwise::ErrorCode::kInvalidShape,
                             "[plugin Upsample] takes one float32 tensor N x C x H x W");
    layerwise::TensorInfo output = inputs[0];
    output.dims[2] *= scale_;
    output.dims[3] *= scale_;
    return {output};
  }

  // A task a channel: workers share them.
  std::int64_t tasks(std::span<const layerwise::TensorInfo> inputs) const override {
    return inputs[0].dims[0] * inputs[0].dims[1];
  }

  void run(std::int64_t task, std::span<const layerwise::TensorView> inputs,
           std::span<const layerwise::TensorView> outputs,
           std::span<std::byte> /*scratch*/) const override {
    const std::int64_t height = outputs[0].dims[2], width = outputs[0].dims[3];
    const float* from = inputs[0].as<const float>() + task * (height / scale_) * (width / scale_);
    float* to = outputs[0].as<float>() + task * height * width;
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x)
        to[y * width + x] = from[y / scale_ * (width / scale_) + x / scale_];
  }

 private:
  std::int64_t scale_;
};
