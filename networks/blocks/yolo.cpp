#include "networks/blocks/yolo.h"

namespace layerwise::blocks {

Feature YoloBuilder::conv(const Feature& x, const std::string& key, const Window& window) const {
  return activation(convolution(x, key + ".conv", window, key + ".bn"), ActivationType::kSilu,
                    key + ".act");
}

Feature YoloBuilder::bottleneck(const Feature& x, const std::string& key, std::int64_t kernel,
                                bool shortcut) const {
  const Feature y = conv(conv(x, key + ".cv1", {.kernel = kernel}), key + ".cv2", {.kernel = 3});
  return shortcut && y.channels == x.channels ? add(x, y, key + ".add") : y;
}

std::int64_t YoloBuilder::repeats(const std::string& key) const {
  return moduleCount(weights(), key + ".m.");
}

Feature YoloBuilder::c3(const Feature& x, const std::string& key, bool shortcut) const {
  Feature deep = conv(x, key + ".cv1");
  const std::int64_t count = repeats(key);
  for (std::int64_t i = 0; i < count; ++i)
    deep = bottleneck(deep, key + ".m." + std::to_string(i), 1, shortcut);
  const Feature beside = conv(x, key + ".cv2");
  return conv(concat({deep, beside}, key + ".concat"), key + ".cv3");
}

Feature YoloBuilder::c2f(const Feature& x, const std::string& key, bool shortcut) const {
  const Feature both = conv(x, key + ".cv1");
  const std::int64_t half = both.channels / 2;
  std::vector<Feature> parts;
  for (std::int64_t i : {0, 1}) {
    auto& slice = network().addSlice(*both.tensor, {0, i * half, 0, 0}, {-1, half, -1, -1});
    slice.setName(key + ".split." + std::to_string(i));
    parts.push_back({&slice.output(), half});
  }
  const std::int64_t count = repeats(key);
  for (std::int64_t i = 0; i < count; ++i)
    parts.push_back(bottleneck(parts.back(), key + ".m." + std::to_string(i), 3, shortcut));
  return conv(concat(parts, key + ".concat"), key + ".cv2");
}

Feature YoloBuilder::sppf(const Feature& x, const std::string& key) const {
  std::vector<Feature> parts{conv(x, key + ".cv1")};
  for (int i = 0; i < 3; ++i)
    parts.push_back(
        pool(parts.back(), PoolingType::kMax, {.kernel = 5}, key + ".m." + std::to_string(i)));
  return conv(concat(parts, key + ".concat"), key + ".cv2");
}

Feature YoloBuilder::upsample(const Feature& x, const std::string& name) const {
  auto& layer = network().addResize(*x.tensor);
  layer->scales = {1, 1, 2, 2};
  layer.setName(name);
  layer.output().setName(name);
  return {&layer.output(), x.channels};
}

}  // namespace layerwise::blocks
