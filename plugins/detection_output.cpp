#include "plugins/detection_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::int64_t kMaxCapacity = 1 << 20;

/// The shortest decimal number that rounds to `value`: the one that was meant. The reference
/// compares overlaps with a limit in double precision, and 0.6f is not 0.6.
double asWritten(float value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

Error refused(const std::string& why) {
  return Error(ErrorCode::kInvalidArgument, "[detection options] " + why);
}

}  // namespace

DetectionOutput::DetectionOutput(std::int64_t classes, std::int64_t masks, std::int64_t capacity)
    : classes_(classes), masks_(masks), capacity_(capacity) {
  if (capacity < 1 || capacity > kMaxCapacity)
    throw Error(ErrorCode::kBadFile, fmt::format("[detection output] capacity {} is not in 1...{}",
                                                 capacity, kMaxCapacity));
}

std::vector<TensorInfo> DetectionOutput::outputs(std::int64_t batch, const TensorInfo& options,
                                                 const TensorInfo& classFilter) const {
  if (options != TensorInfo{DataType::kFloat32, {kOptions}})
    throw Error(ErrorCode::kInvalidShape, fmt::format("[detection options] are {}, {} needed",
                                                      toString(options.dims), kOptions));
  if (classFilter != TensorInfo{DataType::kFloat32, {classes_}})
    throw Error(ErrorCode::kInvalidShape, fmt::format("[class filter] is {}, {} needed",
                                                      toString(classFilter.dims), classes_));
  return {{DataType::kInt32, {batch}}, {DataType::kFloat32, {batch, capacity_, 6 + masks_}}};
}

NmsOptions DetectionOutput::read(const TensorView& options, const TensorView& classFilter) const {
  const float* values = options.as<float>();
  const float most = values[2];
  if (!(most >= 1.0f && most <= static_cast<float>(capacity_)))
    throw refused(
        fmt::format("at most {} detections: the engine was built for 1 to {}", most, capacity_));
  for (int i : {3, 4})
    if (values[i] != 0.0f && values[i] != 1.0f)
      throw refused(fmt::format("value {} is {}, 0 or 1 needed", i, values[i]));
  NmsOptions nms;
  nms.confidence = values[0];
  nms.iou = asWritten(values[1]);
  nms.maxDetections = static_cast<int>(most);
  nms.agnostic = values[3] == 1.0f;
  nms.multiLabel = values[4] == 1.0f && classes_ > 1;  // as non_max_suppression does
  const float* filter = classFilter.as<float>();
  for (std::int64_t c = 0; c < classes_; ++c)
    if (filter[c] != 0.0f) nms.classes.push_back(static_cast<int>(c));
  // An empty list means all to nonMaxSuppression; a filter of zeros means none.
  if (nms.classes.empty()) nms.classes.push_back(-1);
  return nms;
}

void DetectionOutput::write(std::int64_t image, std::span<const float> rows,
                            const NmsOptions& options, const TensorView& count,
                            const TensorView& detections) const {
  const std::int64_t rowSize = 5 + classes_ + masks_;
  const std::vector<Detection> found =
      nonMaxSuppression(rows.data(), static_cast<std::int64_t>(rows.size()) / rowSize,
                        static_cast<int>(classes_), static_cast<int>(masks_), options);
  count.as<std::int32_t>()[image] = static_cast<std::int32_t>(found.size());
  const std::int64_t values = 6 + masks_;
  float* first = detections.as<float>() + image * capacity_ * values;
  float* out = first;
  for (const Detection& detection : found) {
    const Box& box = detection.box;
    for (float value :
         {box.x1, box.y1, box.x2, box.y2, detection.score, static_cast<float>(detection.classId)})
      *out++ = value;
    const float* masks = rows.data() + detection.row * rowSize + 5 + classes_;
    out = std::copy(masks, masks + masks_, out);
  }
  std::fill(out, first + capacity_ * values, 0.0f);
}

}  // namespace layerwise
