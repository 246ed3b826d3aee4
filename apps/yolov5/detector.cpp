#include "apps/yolov5/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "apps/common/engine_source.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

constexpr char kImages[] = "images";
constexpr int kBoxValues = 6;  // x1, y1, x2, y2, score, class

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("[{}] {}", option, why));
}

const IoInfo* find(const std::vector<IoInfo>& infos, std::string_view name) {
  auto found = std::find_if(infos.begin(), infos.end(),
                            [&](const IoInfo& info) { return info.name == name; });
  return found == infos.end() ? nullptr : &*found;
}

int toInt(std::int64_t value) {
  return static_cast<int>(value);
}

void require(bool condition, const std::string& what) {
  if (!condition)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[engine] {}: it is no detector of this program", what));
}

const IoInfo& need(const std::vector<IoInfo>& infos, std::string_view name) {
  const IoInfo* info = find(infos, name);
  require(info != nullptr, fmt::format("has no '{}'", name));
  return *info;
}

/// The network's largest stride. A plan file says what it likes.
int strideOf(const Engine& engine) {
  constexpr int kMaxStride = 1 << 12;
  const std::string text = metadataOf(engine, "stride", "32");
  int stride = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), stride).ptr;
  require(end == text.data() + text.size() && stride >= 1 && stride <= kMaxStride,
          fmt::format("its stride is '{}'", text));
  return stride;
}

}  // namespace

Detector::Detector(std::shared_ptr<const Engine> engine, const DetectorOptions& options)
    : engine_(std::move(engine)), options_(options) {
  const IoInfo& images = need(engine_->inputs(), kImages);
  const IoInfo& detections = need(engine_->outputs(), "detections");
  const IoInfo& count = need(engine_->outputs(), "count");
  require(images.dims.rank() == 4 && images.type == DataType::kFloat32 && images.dims[1] == 3,
          fmt::format("its input is {}", toString(images.dims)));
  require(detections.dims.rank() == 3 && detections.type == DataType::kFloat32 &&
              detections.dims[1] > 0 && detections.dims[2] >= kBoxValues &&
              count.type == DataType::kInt32,
          fmt::format("its detections are {}", toString(detections.dims)));
  filter_.assign(static_cast<std::size_t>(need(engine_->inputs(), "class_filter").dims[0]), 1.0f);
  stride_ = strideOf(*engine_);
  capacity_ = detections.dims[1];
  maskCount_ = toInt(detections.dims[2]) - kBoxValues;
  chooseSize(images);
  chooseBatch(images);

  if (options_.maxDetections > capacity_)
    refuse("--max-det", fmt::format("{} boxes: the engine gives at most {}; build it with "
                                    "--max-det {}",
                                    options_.maxDetections, capacity_, options_.maxDetections));
  if (options_.maxDetections == 0)
    options_.maxDetections = toInt(std::min<std::int64_t>(capacity_, kReferenceMaxDetections));
  if (!options_.classes.empty()) std::fill(filter_.begin(), filter_.end(), 0.0f);
  for (int id : options_.classes) {
    if (id >= classes())
      refuse("--classes",
             fmt::format("{}: the engine has {} classes, 0 to {}", id, classes(), classes() - 1));
    filter_[static_cast<std::size_t>(id)] = 1.0f;
  }
  runTime_ = {static_cast<float>(options_.confidence), static_cast<float>(options_.iou),
              static_cast<float>(options_.maxDetections), options_.agnostic ? 1.0f : 0.0f,
              options_.multiLabel ? 1.0f : 0.0f};
  context_ = engine_->createContext({.threads = options_.threads});
}

void Detector::chooseSize(const IoInfo& images) {
  const bool open = images.dims[2] < 0 || images.dims[3] < 0;
  const ImageSize own = parseImageSize(
      metadataOf(*engine_, "imgsz", fmt::format("{}x{}", images.range.opt[2], images.range.opt[3])),
      "size");
  const ImageSize largest{toInt(images.range.max[2]), toInt(images.range.max[3])};
  size_ = options_.size.width ? options_.size : own;
  if (!open && !(size_ == own))
    refuse("--size", fmt::format("{}: the engine's input is {}, fixed; build one of that size or "
                                 "with --dynamic",
                                 toString(size_), toString(own)));
  if (open && (size_.height > largest.height || size_.width > largest.width))
    refuse("--size",
           fmt::format("{}: the engine takes at most {}", toString(size_), toString(largest)));
  if (size_.height % stride_ || size_.width % stride_)
    refuse("--size", fmt::format("{} is no multiple of the stride {}", toString(size_), stride_));
  if (options_.rect && !open)
    refuse("--rect", fmt::format("the engine's input is {}, fixed: a rectangle needs an engine "
                                 "built with --dynamic",
                                 toString(own)));
}

void Detector::chooseBatch(const IoInfo& images) {
  const int most = toInt(images.dims[0] < 0 ? images.range.max[0] : images.dims[0]);
  if (options_.batch > most)
    refuse("--batch",
           fmt::format("{} images: the engine takes at most {}; build it with --batch {}",
                       options_.batch, most, options_.batch));
  batch_ = options_.batch ? options_.batch : most;
}

Letterbox Detector::plan(int width, int height) const {
  const LetterboxOptions options{
      .width = size_.width, .height = size_.height, .rect = options_.rect, .stride = stride_};
  return options_.validation ? planValidationLetterbox(width, height, options)
                             : planLetterbox(width, height, options);
}

std::vector<Findings> Detector::detect(std::span<const Image> images,
                                       std::span<const Letterbox> plans, StageTimes& times) {
  const auto count = static_cast<std::int64_t>(images.size());
  const std::int64_t height = plans[0].height, width = plans[0].width;
  {
    const auto lap = times.preprocessing.lap();
    const std::int64_t size = 3 * height * width;
    planes_.resize(static_cast<std::size_t>(count * size));
    for (std::size_t i = 0; i < images.size(); ++i)
      letterbox(images[i].view(), plans[i], planes_.data() + static_cast<std::int64_t>(i) * size);
  }
  {
    const auto lap = times.inference.lap();
    context_->setInput(kImages, planes_.data(), {count, 3, height, width});
    context_->setInput("options", runTime_.data(), {static_cast<std::int64_t>(runTime_.size())});
    context_->setInput("class_filter", filter_.data(), {static_cast<std::int64_t>(filter_.size())});
    require(
        context_->outputDims("count") == Dims{count} &&
            context_->outputDims("detections") == Dims{count, capacity_, kBoxValues + maskCount_},
        "its outputs do not fit its batch");
    counts_.resize(images.size());
    detections_.resize(static_cast<std::size_t>(count * capacity_ * (kBoxValues + maskCount_)));
    context_->setOutput("count", counts_.data());
    context_->setOutput("detections", detections_.data());
    if (maskCount_ > 0) {
      protoDims_ = context_->outputDims("proto");
      require(protoDims_.rank() == 4 && protoDims_[0] == count && protoDims_[1] == maskCount_,
              fmt::format("its mask prototypes are {}", toString(protoDims_)));
      prototypes_.resize(static_cast<std::size_t>(protoDims_.volume()));
      context_->setOutput("proto", prototypes_.data());
    }
    if (find(engine_->outputs(), "raw")) {
      raw_.resize(static_cast<std::size_t>(context_->outputDims("raw").volume()));
      context_->setOutput("raw", raw_.data());
    }
    context_->run();
  }
  const auto lap = times.postprocessing.lap();
  std::vector<Findings> all;
  for (std::size_t i = 0; i < images.size(); ++i) all.push_back(findings(i, plans[i]));
  return all;
}

Findings Detector::findings(std::size_t index, const Letterbox& plan) const {
  Findings result{.letterbox = plan, .maskCount = maskCount_};
  const std::size_t values = static_cast<std::size_t>(kBoxValues + maskCount_);
  require(counts_[index] >= 0 && counts_[index] <= capacity_,
          fmt::format("it counts {} boxes", counts_[index]));
  const float* row = detections_.data() + index * static_cast<std::size_t>(capacity_) * values;
  for (std::int32_t i = 0; i < counts_[index]; ++i, row += values) {
    const Box box{row[0], row[1], row[2], row[3]};
    result.networkBoxes.push_back(box);
    result.detections.push_back({boxToImage(plan, box), row[4], static_cast<int>(row[5]), i});
    result.coefficients.insert(result.coefficients.end(), row + kBoxValues, row + values);
  }
  if (maskCount_ > 0) {
    const auto size = static_cast<std::size_t>(protoDims_[1] * protoDims_[2] * protoDims_[3]);
    const float* first = prototypes_.data() + index * size;
    result.prototypes.assign(first, first + size);
    result.protoHeight = toInt(protoDims_[2]);
    result.protoWidth = toInt(protoDims_[3]);
  }
  return result;
}

}  // namespace layerwise::apps
