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

/// YOLOv5's head, of which a device has a tactic beside the plugin: its maps and its fields.
struct Yolov5Head {
  explicit Yolov5Head(Random& r) : classes(r.pick(1, 7)) {
    const std::int64_t masks = r.pick(0, 4), anchors = r.pick(1, 3);
    std::vector<std::int64_t> strides;
    std::vector<double> sizes;
    for (std::int64_t level = 0, levels = r.pick(1, 3); level < levels; ++level) {
      strides.push_back(std::int64_t{8} << level);
      for (std::int64_t i = 0; i < 2 * anchors; ++i) sizes.push_back(r.real(4, 90));
      maps.push_back({.dims = {kBatch, anchors * (5 + classes + masks), r.pick(1, 7), r.pick(1, 9)},
                      .low = -6,
                      .high = 6});
    }
    fields.set("classes", classes);
    fields.set("masks", masks);
    fields.set("strides", strides);
    fields.set("anchors", sizes);
  }

  std::int64_t classes;
  std::vector<CaseInput> maps;
  Fields fields;
};

inline LayerCase yolov5DecodeCase(Random& r, int) {
  Yolov5Head head(r);
  LayerCase made{head.maps, {}, 2e-6};
  made.define = [fields = head.fields](Network& n, const std::vector<Tensor*>& in) {
    return std::vector<Tensor*>{
        &n.addPlugin(in, createPlugin("yolov5_decode", 1, fields)).output()};
  };
  return made;
}

/// A detection plugin over a head's maps, with random options.
inline LayerCase detectCase(Random& r, const char* plugin, std::vector<CaseInput> maps,
                            std::int64_t classes, Fields fields) {
  const std::int64_t capacity = r.pick(1, 40);
  fields.set("capacity", capacity);
  LayerCase made{std::move(maps), {}, 2e-6};
  const std::vector<double> options{r.real(0, 0.6), r.real(0.05, 0.9),
                                    static_cast<double>(r.pick(1, capacity)),
                                    r.chance(0.5) ? 1.0 : 0.0, r.chance(0.5) ? 1.0 : 0.0};
  std::vector<double> wanted;
  for (std::int64_t c = 0; c < classes; ++c) wanted.push_back(r.chance(0.8) ? 1.0 : 0.0);
  made.inputs.push_back({.dims = {5}, .batched = false, .values = options});
  made.inputs.push_back({.dims = {classes}, .batched = false, .values = wanted});
  made.outputBatchAxes = {0, 0};
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    auto& layer = n.addPlugin(in, createPlugin(plugin, 1, fields));
    return std::vector<Tensor*>{&layer.output(0), &layer.output(1)};
  };
  return made;
}

inline LayerCase yolov5DetectCase(Random& r, int) {
  Yolov5Head head(r);
  return detectCase(r, "yolov5_detect", head.maps, head.classes, head.fields);
}

inline LayerCase yolov8DetectCase(Random& r, int) {
  const std::int64_t classes = r.pick(1, 7), bins = r.pick(1, 16);
  std::vector<std::int64_t> strides;
  std::vector<CaseInput> maps;
  for (std::int64_t level = 0, levels = r.pick(1, 3); level < levels; ++level) {
    strides.push_back(std::int64_t{8} << level);
    const std::int64_t height = r.pick(1, 7), width = r.pick(1, 9);
    maps.push_back({.dims = {kBatch, 4 * bins, height, width}, .low = -4, .high = 4});
    maps.push_back({.dims = {kBatch, classes, height, width}, .low = -6, .high = 3});
  }
  Fields fields;
  fields.set("classes", classes);
  fields.set("bins", bins);
  fields.set("strides", strides);
  return detectCase(r, "yolov8_detect", maps, classes, fields);
}

}  // namespace layerwise::test
