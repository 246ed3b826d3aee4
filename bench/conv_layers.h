#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"

// The convolutions of known networks, for the benchmarks of kernels, and the product of two
// matrices of 4096 x 4096.
namespace layerwise::cpu {

struct Layer {
  const char* network;
  int count;  // how often the network has it
  int64_t size, ci, co, kernel, stride, groups;
  int64_t width = size;
};

// Size is the input's height, and its width where no other is given. ResNet-50 is torchvision's;
// YOLOv5s is v6 at 640x640; lane is the ultra-fast lane detector on ResNet-18 at 288x800.
inline constexpr Layer kLayers[] = {
    {"resnet50", 1, 224, 3, 64, 7, 2, 1},        {"resnet50", 1, 56, 64, 64, 1, 1, 1},
    {"resnet50", 3, 56, 64, 64, 3, 1, 1},        {"resnet50", 4, 56, 64, 256, 1, 1, 1},
    {"resnet50", 2, 56, 256, 64, 1, 1, 1},       {"resnet50", 1, 56, 256, 128, 1, 1, 1},
    {"resnet50", 1, 56, 128, 128, 3, 2, 1},      {"resnet50", 4, 28, 128, 512, 1, 1, 1},
    {"resnet50", 1, 56, 256, 512, 1, 2, 1},      {"resnet50", 3, 28, 512, 128, 1, 1, 1},
    {"resnet50", 3, 28, 128, 128, 3, 1, 1},      {"resnet50", 1, 28, 512, 256, 1, 1, 1},
    {"resnet50", 1, 28, 256, 256, 3, 2, 1},      {"resnet50", 6, 14, 256, 1024, 1, 1, 1},
    {"resnet50", 1, 28, 512, 1024, 1, 2, 1},     {"resnet50", 5, 14, 1024, 256, 1, 1, 1},
    {"resnet50", 5, 14, 256, 256, 3, 1, 1},      {"resnet50", 1, 14, 1024, 512, 1, 1, 1},
    {"resnet50", 1, 14, 512, 512, 3, 2, 1},      {"resnet50", 3, 7, 512, 2048, 1, 1, 1},
    {"resnet50", 1, 14, 1024, 2048, 1, 2, 1},    {"resnet50", 2, 7, 2048, 512, 1, 1, 1},
    {"resnet50", 2, 7, 512, 512, 3, 1, 1},       {"resnet50", 1, 1, 2048, 1000, 1, 1, 1},

    {"yolov5s", 1, 640, 3, 32, 6, 2, 1},         {"yolov5s", 1, 320, 32, 64, 3, 2, 1},
    {"yolov5s", 2, 160, 64, 32, 1, 1, 1},        {"yolov5s", 1, 160, 32, 32, 1, 1, 1},
    {"yolov5s", 1, 160, 32, 32, 3, 1, 1},        {"yolov5s", 1, 160, 64, 64, 1, 1, 1},
    {"yolov5s", 1, 160, 64, 128, 3, 2, 1},       {"yolov5s", 2, 80, 128, 64, 1, 1, 1},
    {"yolov5s", 3, 80, 64, 64, 1, 1, 1},         {"yolov5s", 3, 80, 64, 64, 3, 1, 1},
    {"yolov5s", 2, 80, 128, 128, 1, 1, 1},       {"yolov5s", 1, 80, 128, 256, 3, 2, 1},
    {"yolov5s", 2, 40, 256, 128, 1, 1, 1},       {"yolov5s", 5, 40, 128, 128, 1, 1, 1},
    {"yolov5s", 5, 40, 128, 128, 3, 1, 1},       {"yolov5s", 3, 40, 256, 256, 1, 1, 1},
    {"yolov5s", 1, 40, 256, 512, 3, 2, 1},       {"yolov5s", 3, 20, 512, 256, 1, 1, 1},
    {"yolov5s", 2, 20, 256, 256, 1, 1, 1},       {"yolov5s", 2, 20, 256, 256, 3, 1, 1},
    {"yolov5s", 3, 20, 512, 512, 1, 1, 1},       {"yolov5s", 1, 20, 1024, 512, 1, 1, 1},
    {"yolov5s", 2, 40, 512, 128, 1, 1, 1},       {"yolov5s", 2, 80, 256, 64, 1, 1, 1},
    {"yolov5s", 1, 80, 128, 128, 3, 2, 1},       {"yolov5s", 1, 40, 256, 256, 3, 2, 1},
    {"yolov5s", 1, 80, 128, 255, 1, 1, 1},       {"yolov5s", 1, 40, 256, 255, 1, 1, 1},
    {"yolov5s", 1, 20, 512, 255, 1, 1, 1},

    {"resnet18", 1, 224, 3, 64, 7, 2, 1},        {"resnet18", 4, 56, 64, 64, 3, 1, 1},
    {"resnet18", 1, 56, 64, 128, 3, 2, 1},       {"resnet18", 3, 28, 128, 128, 3, 1, 1},
    {"resnet18", 1, 28, 128, 256, 3, 2, 1},      {"resnet18", 3, 14, 256, 256, 3, 1, 1},
    {"resnet18", 1, 14, 256, 512, 3, 2, 1},      {"resnet18", 3, 7, 512, 512, 3, 1, 1},

    {"resnet18", 1, 56, 64, 128, 1, 2, 1},       {"resnet18", 1, 28, 128, 256, 1, 2, 1},
    {"resnet18", 1, 14, 256, 512, 1, 2, 1},      {"resnet18", 1, 1, 512, 1000, 1, 1, 1},

    {"lane", 1, 288, 3, 64, 7, 2, 1, 800},       {"lane", 4, 72, 64, 64, 3, 1, 1, 200},
    {"lane", 1, 72, 64, 128, 3, 2, 1, 200},      {"lane", 3, 36, 128, 128, 3, 1, 1, 100},
    {"lane", 1, 36, 128, 256, 3, 2, 1, 100},     {"lane", 3, 18, 256, 256, 3, 1, 1, 50},
    {"lane", 1, 18, 256, 512, 3, 2, 1, 50},      {"lane", 3, 9, 512, 512, 3, 1, 1, 25},
    {"lane", 1, 1, 1800, 2048, 1, 1, 1},         {"lane", 1, 1, 2048, 14472, 1, 1, 1},

    {"mobilenetv2", 1, 224, 3, 32, 3, 2, 1},     {"mobilenetv2", 1, 112, 32, 32, 3, 1, 32},
    {"mobilenetv2", 1, 112, 32, 16, 1, 1, 1},    {"mobilenetv2", 1, 112, 16, 96, 1, 1, 1},
    {"mobilenetv2", 1, 112, 96, 96, 3, 2, 96},   {"mobilenetv2", 1, 56, 96, 24, 1, 1, 1},
    {"mobilenetv2", 2, 56, 24, 144, 1, 1, 1},    {"mobilenetv2", 1, 56, 144, 144, 3, 1, 144},
    {"mobilenetv2", 1, 56, 144, 24, 1, 1, 1},    {"mobilenetv2", 1, 56, 144, 144, 3, 2, 144},
    {"mobilenetv2", 3, 28, 32, 192, 1, 1, 1},    {"mobilenetv2", 2, 28, 192, 192, 3, 1, 192},
    {"mobilenetv2", 2, 28, 192, 32, 1, 1, 1},    {"mobilenetv2", 4, 14, 64, 384, 1, 1, 1},
    {"mobilenetv2", 4, 14, 384, 384, 3, 1, 384}, {"mobilenetv2", 3, 14, 384, 64, 1, 1, 1},
    {"mobilenetv2", 3, 14, 96, 576, 1, 1, 1},    {"mobilenetv2", 2, 14, 576, 576, 3, 1, 576},
    {"mobilenetv2", 3, 7, 160, 960, 1, 1, 1},    {"mobilenetv2", 3, 7, 960, 960, 3, 1, 960},
    {"mobilenetv2", 2, 7, 960, 160, 1, 1, 1},    {"mobilenetv2", 1, 7, 320, 1280, 1, 1, 1},

    {"product", 1, 64, 4096, 4096, 1, 1, 1},

    {"resnext50", 3, 56, 128, 128, 3, 1, 32},    {"resnext50", 3, 28, 256, 256, 3, 1, 32},
    {"resnext50", 5, 14, 512, 512, 3, 1, 32},    {"resnext50", 2, 7, 1024, 1024, 3, 1, 32},
};

inline ConvShape shapeOf(const Layer& l) {
  ConvShape s;
  s.h = l.size;
  s.w = l.width;
  s.ci = l.ci;
  s.co = l.co;
  s.kh = s.kw = l.kernel;
  s.sh = s.sw = l.stride;
  s.pt = s.pl = s.pb = s.pr = l.kernel == 6 ? 2 : l.kernel / 2;
  s.groups = l.groups;
  return s;
}

}  // namespace layerwise::cpu
