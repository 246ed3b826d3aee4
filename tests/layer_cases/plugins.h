#pragma once

#include <memory>

#include "tests/layer_cases/parts.h"

/// Cases of a layer from outside of the library.
namespace layerwise::test {

/// Sums each row of its input along the last axis; one task an image.
class RowSums final : public Plugin {
 public:
  explicit RowSums(TensorFormat format) : format_(format) {}
  std::string_view type() const override { return "test_row_sums"; }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    Dims dims = inputs[0].dims;
    dims[dims.rank() - 1] = 1;
    return {{inputs[0].type, dims}};
  }
  TensorFormat inputFormat(int) const override { return format_; }
  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    return inputs[0].dims[0];
  }
  std::size_t scratchBytes(std::span<const TensorInfo>) const override { return sizeof(float); }
  void run(std::int64_t task, std::span<const TensorView> in, std::span<const TensorView> out,
           std::span<std::byte> scratch) const override {
    auto* sum = reinterpret_cast<float*>(scratch.data());
    const Dims& dims = in[0].dims;
    std::int64_t rows = out[0].dims.volume() / dims[0];
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t offset = task * in[0].strides[0], rest = row;
      for (int axis = dims.rank() - 2; axis > 0; rest /= dims[axis--])
        offset += rest % dims[axis] * in[0].strides[axis];
      *sum = 0;
      for (std::int64_t i = 0; i < dims[dims.rank() - 1]; ++i)
        *sum += in[0].as<float>()[offset + i * in[0].strides[dims.rank() - 1]];
      out[0].as<float>()[task * rows + row] = *sum;
    }
  }

 private:
  TensorFormat format_;
};

inline LayerCase pluginCase(Random& r, int index) {
  Dims dims = imageDims(r);
  auto format = index % 2 ? TensorFormat::kStrided : TensorFormat::kLinear;
  LayerCase made{{{.dims = dims}}, {}, 1e-6};
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    return std::vector<Tensor*>{&n.addPlugin(in, std::make_shared<RowSums>(format)).output()};
  };
  return made;
}

}  // namespace layerwise::test
