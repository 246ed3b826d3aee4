#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "layerwise/weights.h"

namespace layerwise {

/// Makes weights with a network's keys and counts; all values are small and alike.
class SyntheticWeights {
 public:
  explicit SyntheticWeights(bool fused = false) : fused_(fused) {}
  WeightMap take() { return std::move(map_); }

  void tensor(const std::string& key, std::int64_t count) {
    map_.add(key, std::vector<float>(static_cast<std::size_t>(count), 0.01f));
  }
  void norm(const std::string& key, std::int64_t channels) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"})
      tensor(key + part, channels);
    tensor(key + ".num_batches_tracked", 1);
  }
  void dense(const std::string& key, std::int64_t inputs, std::int64_t outputs) {
    tensor(key + ".weight", inputs * outputs);
    tensor(key + ".bias", outputs);
  }
  void convNorm(const std::string& conv, const std::string& bn, std::int64_t inputs,
                std::int64_t outputs, std::int64_t kernel = 1) {
    tensor(conv + ".weight", inputs * outputs * kernel * kernel);
    if (fused_)
      tensor(conv + ".bias", outputs);
    else
      norm(bn, outputs);
  }

  // ---- YOLOv5 ----
  void yoloConv(const std::string& key, std::int64_t inputs, std::int64_t outputs,
                std::int64_t kernel = 1) {
    convNorm(key + ".conv", key + ".bn", inputs, outputs, kernel);
  }
  void c3(const std::string& key, std::int64_t inputs, std::int64_t outputs, int repeats) {
    std::int64_t half = outputs / 2;
    yoloConv(key + ".cv1", inputs, half);
    yoloConv(key + ".cv2", inputs, half);
    yoloConv(key + ".cv3", 2 * half, outputs);
    for (int i = 0; i < repeats; ++i) {
      yoloConv(key + ".m." + std::to_string(i) + ".cv1", half, half);
      yoloConv(key + ".m." + std::to_string(i) + ".cv2", half, half, 3);
    }
  }

  enum class Task { kDetect, kSegment, kClassify };
  struct YoloV5 {
    double depth = 1.0 / 3, width = 0.25;
    int classes = 80;
    int levels = 3;
    Task task = Task::kDetect;
  };
  void yolov5(const YoloV5& v) {
    auto c = [&](double channels) {
      return static_cast<std::int64_t>(std::ceil(channels * v.width / 8)) * 8;
    };
    auto n = [&](int repeats) {
      return std::max(static_cast<int>(std::lrint(repeats * v.depth)), 1);
    };
    auto key = [](int layer) { return "model." + std::to_string(layer); };
    std::vector<std::pair<int, int>> stages = {{128, 3}, {256, 6}, {512, 9}};
    if (v.levels == 4) stages.emplace_back(768, 3);
    stages.emplace_back(1024, 3);
    yoloConv(key(0), 3, c(64), 6);
    int layer = 1;
    std::int64_t last = c(64);
    for (auto [channels, repeats] : stages) {
      yoloConv(key(layer++), last, c(channels), 3);
      last = c(channels);
      c3(key(layer++), last, last, n(repeats));
    }
    if (v.task == Task::kClassify) {
      yoloConv(key(layer) + ".conv", last, 1280);
      dense(key(layer) + ".linear", 1280, v.classes);
      return;
    }
    yoloConv(key(layer) + ".cv1", last, last / 2);
    yoloConv(key(layer++) + ".cv2", last * 2, last);
    std::vector<std::int64_t> laterals;
    for (std::size_t level = stages.size() - 2; level > 0; --level) {
      std::int64_t out = c(stages[level].first);
      yoloConv(key(layer), last, out);
      laterals.push_back(out);
      layer += 3;
      c3(key(layer++), 2 * out, out, n(3));
      last = out;
    }
    // The finest C3 gives the channels of the stage below it.
    std::vector<std::int64_t> heads{last};
    for (std::size_t level = 1; level < stages.size() - 1; ++level) {
      yoloConv(key(layer), last, last, 3);
      layer += 2;
      std::int64_t out = c(stages[level + 1].first);
      c3(key(layer++), last + laterals.back(), out, n(3));
      laterals.pop_back();
      heads.push_back(last = out);
    }
    int masks = v.task == Task::kSegment ? 32 : 0;
    tensor(key(layer) + ".anchors", 6 * v.levels);
    for (std::size_t i = 0; i < heads.size(); ++i)
      dense(key(layer) + ".m." + std::to_string(i), heads[i], 3 * (5 + v.classes + masks));
    if (!masks) return;
    yoloConv(key(layer) + ".proto.cv1", heads[0], c(256), 3);
    yoloConv(key(layer) + ".proto.cv2", c(256), c(256), 3);
    yoloConv(key(layer) + ".proto.cv3", c(256), 32);
  }

  // ---- ResNet ----
  struct Resnet {
    std::string prefix;
    std::vector<int> blocks = {2, 2, 2, 2};
    std::int64_t stem = 64;
    std::int64_t kernel = 7;
    bool bottleneck = false;
    std::int64_t groups = 1;
    std::int64_t widthPerGroup = 64;
    bool projections = true;
  };
  /// Returns the channels of the last stage.
  std::int64_t resnet(const Resnet& r) {
    convNorm(r.prefix + "conv1", r.prefix + "bn1", 3, r.stem, r.kernel);
    std::int64_t last = r.stem;
    for (std::size_t stage = 0; stage < r.blocks.size(); ++stage)
      for (int block = 0; block < r.blocks[stage]; ++block) {
        std::string key =
            r.prefix + "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
        std::int64_t planes = r.stem << stage, out = r.bottleneck ? 4 * planes : planes;
        if (r.bottleneck) {
          std::int64_t width = planes * r.widthPerGroup / 64 * r.groups;
          convNorm(key + ".conv1", key + ".bn1", last, width);
          convNorm(key + ".conv2", key + ".bn2", width / r.groups, width, 3);
          convNorm(key + ".conv3", key + ".bn3", width, out);
        } else {
          convNorm(key + ".conv1", key + ".bn1", last, planes, 3);
          convNorm(key + ".conv2", key + ".bn2", planes, planes, 3);
        }
        if (r.projections && block == 0 && last != out)
          convNorm(key + ".downsample.0", key + ".downsample.1", last, out);
        last = out;
      }
    return last;
  }

 private:
  bool fused_;
  WeightMap map_;
};

}  // namespace layerwise
