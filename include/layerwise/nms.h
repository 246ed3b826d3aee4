#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layerwise/box.h"
#include "layerwise/export.h"

namespace layerwise {

struct NmsOptions {
  /// Keeps boxes of different classes apart: each class's lie so many pixels from the last one's.
  static constexpr float kClassOffset = 7680.0f;

  float confidence = 0.25f;  ///< both objectness and objectness x class score must exceed it
  double iou = 0.45;         ///< a box overlapping a better one of its class by more is dropped
  int maxDetections = 300;
  int maxCandidates = 30000;  ///< the best of them by score go into the suppression
  bool agnostic = false;      ///< boxes of different classes suppress each other
  bool multiLabel = false;    ///< every class above the threshold makes a box, not the best only
  std::vector<int> classes;   ///< only these are considered; empty: all
};

/// YOLOv5's non_max_suppression() (utils/general.py, v6 and v7) on one image's decoded rows
/// [rowCount][5 + classCount + extra]: centre x, centre y, width, height, objectness, class scores,
/// and `extra` values that are left alone (mask coefficients). Best score first; ties keep the
/// order of rows and then of classes. Throws Error for options or counts that cannot be meant.
LAYERWISE_API std::vector<Detection> nonMaxSuppression(const float* rows, std::int64_t rowCount,
                                                       int classCount, int extra,
                                                       const NmsOptions& options = {});

/// torchvision.ops.nms: the indices of the kept boxes, best score first, at most `maxKept` of them
/// (0: all). Ties keep the order given.
LAYERWISE_API std::vector<int> nms(std::span<const Box> boxes, std::span<const float> scores,
                                   double iou, int maxKept = 0);

}  // namespace layerwise
