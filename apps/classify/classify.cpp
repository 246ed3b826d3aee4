#include "apps/classify/classify.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "apps/classify/classifier.h"
#include "apps/classify/labelled_pictures.h"
#include "apps/common/build_settings.h"
#include "apps/common/class_names.h"
#include "apps/common/json_file.h"
#include "apps/common/output_names.h"
#include "apps/common/pictures_request.h"
#include "apps/common/program.h"
#include "apps/common/progress.h"
#include "apps/common/read_picture.h"
#include "apps/common/save_picture.h"
#include "layerwise/draw.h"
#include "layerwise/error.h"
#include "layerwise/metrics.h"

namespace layerwise::apps {
namespace {

constexpr int kMaxBatch = 4096;
constexpr int kDefaultTop = 5;

/// Draws the classes into the picture's upper left corner.
void annotate(Image& image, const std::vector<ClassScore>& top,
              const std::vector<std::string>& names) {
  constexpr int kFontHeight = 10;
  const int scale = suitableLineWidth(image.width, image.height) / 2 + 1;
  int y = kFontHeight;
  for (const ClassScore& one : top) {
    const std::string text =
        fmt::format("{} {:.1f} %", className(names, one.classId), 100 * one.probability);
    drawText(image.view(), kFontHeight + 1, y + 1, text, {0, 0, 0}, scale);
    drawText(image.view(), kFontHeight, y, text, {255, 255, 255}, scale);
    y += kFontHeight * scale;
  }
}

std::string describe(const std::vector<ClassScore>& top, const std::vector<std::string>& names) {
  std::string text;
  for (const ClassScore& one : top)
    text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", className(names, one.classId),
                        100 * one.probability);
  return text;
}

nlohmann::ordered_json toJson(const InputFile& file, const std::vector<ClassScore>& top,
                              const std::vector<std::string>& names) {
  auto classes = nlohmann::ordered_json::array();
  for (const ClassScore& one : top)
    classes.push_back({{"class", one.classId},
                       {"name", className(names, one.classId)},
                       {"probability", one.probability}});
  return {{"image", file.path}, {"top", classes}};
}

class PictureRun {
 public:
  PictureRun(Classifier& classifier, PicturesRequest request, int top)
      : classifier_(classifier),
        request_(std::move(request)),
        outputs_(request_.files),
        top_(top) {}

  int run() {
    const auto start = Stopwatch::Clock::now();
    std::int64_t named = 0, met = 0, done = 0;
    {
      ProgressBar bar(!request_.quiet);
      for (std::size_t i = 0; i < request_.files.size(); ++i) {
        throwIfInterrupted();
        if (std::optional<Image> image = readPicture(request_.files[i], times_)) {
          waiting_.push_back(i);
          images_.push_back(std::move(*image));
          ++done;
        } else {
          ++(request_.files[i].named ? named : met);
        }
        const bool last = i + 1 == request_.files.size();
        if (last || static_cast<int>(waiting_.size()) == classifier_.batch()) flush();
        bar.update(static_cast<double>(i + 1) / static_cast<double>(request_.files.size()),
                   request_.files[i].relative);
      }
    }
    if (!request_.json.empty()) writeJson(request_.json, results_);
    const std::chrono::duration<double> seconds = Stopwatch::Clock::now() - start;
    if (!request_.quiet) printStageTimes(times_, done, seconds.count());
    return reportUnreadable(named, met);
  }

 private:
  void flush() {
    if (waiting_.empty()) return;
    std::vector<ImageView> views;
    for (const Image& image : images_) views.push_back(image.view());
    const double before = times_.inference.seconds();
    const auto logits = classifier_.run(views, times_);
    const double each =
        (times_.inference.seconds() - before) * 1e3 / static_cast<double>(views.size());
    const auto classes = static_cast<std::size_t>(classifier_.classes());
    for (std::size_t i = 0; i < waiting_.size(); ++i)
      finish(request_.files[waiting_[i]], images_[i], logits.subspan(i * classes, classes), each);
    waiting_.clear();
    images_.clear();
  }

  void finish(const InputFile& file, Image& image, std::span<const float> logits,
              double milliseconds) {
    std::vector<ClassScore> top;
    {
      const auto lap = times_.postprocessing.lap();
      top = topClasses(logits, std::min(top_, classifier_.classes()));
    }
    const auto lap = times_.writing.lap();
    if (!request_.quiet) {
      ProgressBar::clear();
      fmt::print("{}: {}x{} {} ({:.1f} ms)\n", file.path, classifier_.input().height(),
                 classifier_.input().width(), describe(top, request_.names), milliseconds);
    }
    if (!request_.json.empty()) results_.push_back(toJson(file, top, request_.names));
    if (request_.save) {
      annotate(image, top, request_.names);
      savePicture(outputs_.claim(annotatedName(file, request_.out)), image);
    }
  }

  Classifier& classifier_;
  PicturesRequest request_;
  OutputNames outputs_;
  int top_;
  std::vector<std::size_t> waiting_;
  std::vector<Image> images_;
  nlohmann::ordered_json results_ = nlohmann::ordered_json::array();
  StageTimes times_;
};

int validateClasses(Classifier& classifier, const std::vector<std::string>& words,
                    const std::string& json, bool quiet) {
  LabelledPictures pictures(words);
  TopAccuracy accuracy;
  StageTimes times;
  const auto start = Stopwatch::Clock::now();
  {
    ProgressBar bar(!quiet);
    const auto classes = static_cast<std::size_t>(classifier.classes());
    for (std::size_t first = 0; first < pictures.size();) {
      throwIfInterrupted();
      const std::size_t count =
          std::min(static_cast<std::size_t>(classifier.batch()), pictures.size() - first);
      std::vector<LabelledPicture> batch;
      std::vector<ImageView> views;
      {
        const auto lap = times.reading.lap();
        for (std::size_t i = 0; i < count; ++i) batch.push_back(pictures.read(first + i));
      }
      for (const LabelledPicture& picture : batch) views.push_back(picture.view);
      const auto logits = classifier.run(views, times);
      for (std::size_t i = 0; i < count; ++i)
        accuracy.add(logits.subspan(i * classes, classes), batch[i].classId);
      first += count;
      bar.update(static_cast<double>(first) / static_cast<double>(pictures.size()), "images");
    }
  }
  const double seconds = std::chrono::duration<double>(Stopwatch::Clock::now() - start).count();
  if (!json.empty())
    writeJson(json, {{"top1", accuracy.top1()},
                     {"top5", accuracy.top5()},
                     {"images", accuracy.images()},
                     {"seconds", seconds}});
  if (json == "-") return 0;
  fmt::print("top-1 {:.2f} %, top-5 {:.2f} % of {} images\n", 100 * accuracy.top1(),
             100 * accuracy.top5(), accuracy.images());
  if (!quiet) printStageTimes(times, accuracy.images(), seconds);
  return 0;
}

}  // namespace

int classify(const CommandLine& line, std::shared_ptr<const Engine> engine, Mode mode) {
  const auto& words = line.positional();
  Classifier classifier(engine, static_cast<int>(line.integer("batch", 0, 1, kMaxBatch)),
                        readBuildSettings(line).threads);
  if (mode == Mode::kValidate)
    return validateClasses(classifier, {words.begin() + 1, words.end()}, line.text("json"),
                           line.isSet("quiet"));
  const int top = static_cast<int>(line.integer("topk", kDefaultTop, 1, 1 << 20));
  return PictureRun(classifier, readPicturesRequest(line, *engine), top).run();
}

}  // namespace layerwise::apps
