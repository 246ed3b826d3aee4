#include "apps/yolov5/results.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include "apps/common/class_names.h"

namespace layerwise::apps {
namespace {

double rounded(double value, double digits) {
  return std::round(value * digits) / digits;
}

/// The stem as the number that it is, or as the text.
nlohmann::ordered_json imageId(const InputFile& file) {
  const std::string stem = std::filesystem::path(file.path).stem().string();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  if (error == std::errc() && end == stem.data() + stem.size() && number >= 0) return number;
  return stem;
}

/// English, as far as class names need it: persons, buses, benches.
std::string plural(const std::string& name) {
  for (const char* hiss : {"s", "x", "z", "ch", "sh"})
    if (name.ends_with(hiss)) return name + "es";
  return name + "s";
}

}  // namespace

std::string describe(const std::vector<Detection>& detections,
                     const std::vector<std::string>& names) {
  std::map<int, int> counts;
  for (const Detection& detection : detections) ++counts[detection.classId];
  std::string text;
  for (auto [classId, count] : counts) {
    const std::string name = className(names, classId);
    const bool number = name == std::to_string(classId);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count,
                        number      ? "class " + name
                        : count > 1 ? plural(name)
                                    : name);
  }
  return text.empty() ? "(no detections)" : text;
}

std::string labelText(const Findings& findings, const std::vector<ObjectMask>& masks) {
  const double width = findings.letterbox.imageWidth, height = findings.letterbox.imageHeight;
  std::string text;
  for (std::size_t i = 0; i < findings.detections.size(); ++i) {
    const Detection& detection = findings.detections[i];
    const Box& box = detection.box;
    std::string place;
    if (i < masks.size() && !masks[i].outline.empty())
      for (const Point& point : masks[i].outline)
        place += fmt::format(" {:.6g} {:.6g}", point.x / width, point.y / height);
    else
      place = fmt::format(" {:.6g} {:.6g} {:.6g} {:.6g}", (box.x1 + box.x2) / 2 / width,
                          (box.y1 + box.y2) / 2 / height, (box.x2 - box.x1) / width,
                          (box.y2 - box.y1) / height);
    text += fmt::format("{}{} {:.6g}\n", detection.classId, place, detection.score);
  }
  return text;
}

void addCocoResults(nlohmann::ordered_json& results, const InputFile& file,
                    const Findings& findings, const std::vector<ObjectMask>& masks) {
  for (std::size_t i = 0; i < findings.detections.size(); ++i) {
    const Detection& detection = findings.detections[i];
    const Box& box = detection.box;
    nlohmann::ordered_json entry = {
        {"image_id", imageId(file)},
        {"category_id", detection.classId},
        {"bbox",
         {rounded(box.x1, 1e3), rounded(box.y1, 1e3), rounded(box.x2 - box.x1, 1e3),
          rounded(box.y2 - box.y1, 1e3)}},
        {"score", rounded(detection.score, 1e5)},
        {"file_name", file.relative}};
    if (i < masks.size()) {
      auto polygon = nlohmann::ordered_json::array();
      for (const Point& point : masks[i].outline) {
        polygon.push_back(rounded(point.x, 1e2));
        polygon.push_back(rounded(point.y, 1e2));
      }
      entry["segmentation"] = nlohmann::ordered_json::array({polygon});
    }
    results.push_back(std::move(entry));
  }
}

}  // namespace layerwise::apps
