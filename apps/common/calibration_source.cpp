#include "apps/common/calibration_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "apps/classify/image_input.h"
#include "apps/common/files.h"
#include "apps/common/input_files.h"
#include "apps/common/npy.h"
#include "apps/common/program.h"
#include "layerwise/error.h"
#include "layerwise/preprocess.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

std::vector<IoInfo> inputsOf(const Network& network, const OptimizationProfile& profile) {
  std::vector<IoInfo> inputs;
  for (int i = 0; i < network.inputCount(); ++i) {
    const Tensor& input = network.input(i);
    const Dims dims = input.dims();
    auto given = profile.inputs.find(input.name());
    inputs.push_back({input.name(), input.type(), dims,
                      given == profile.inputs.end() ? ShapeRange{dims, dims, dims} : given->second,
                      !network.defaultOf(input).empty()});
  }
  return inputs;
}

/// The preprocessing of detectors: a letterbox of the whole input.
class LetterboxInput {
 public:
  LetterboxInput(const IoInfo& images, const std::map<std::string, std::string>& metadata)
      : options_{.width = static_cast<int>(images.range.opt[3]),
                 .height = static_cast<int>(images.range.opt[2])} {
    if (auto stride = metadata.find("stride"); stride != metadata.end())
      options_.stride = std::stoi(stride->second);
  }
  void write(const ImageView& image, float* planes) const {
    letterbox(image, planLetterbox(image.width, image.height, options_), planes);
  }

 private:
  LetterboxOptions options_;
};

/// Pictures one after the other; as many in a batch as the network's smallest.
class PictureSource {
 public:
  PictureSource(std::vector<InputFile> files, int count, const Network& network,
                const OptimizationProfile& profile)
      : files_(std::move(files)), count_(std::min<std::size_t>(files_.size(), count)) {
    const std::vector<IoInfo> inputs = inputsOf(network, profile);
    const auto kind = network.metadata().find("preprocess.kind");
    if (kind == network.metadata().end())
      throw Error(ErrorCode::kUnsupported,
                  "[--calib] the network says nothing of its preprocessing; give .npy files");
    auto images = std::find_if(inputs.begin(), inputs.end(),
                               [](const IoInfo& input) { return !input.hasDefault; });
    if (images == inputs.end() || images->dims.rank() != 4)
      throw Error(ErrorCode::kUnsupported, "[--calib] the network has no input for pictures");
    name_ = images->name;
    dims_ = images->range.opt;
    dims_[0] = images->range.min[0];
    if (kind->second == "letterbox")
      letterbox_.emplace(*images, network.metadata());
    else
      image_.emplace(inputs, network.metadata());
    planes_.resize(static_cast<std::size_t>(dims_.volume()));
  }

  bool operator()(CalibrationBatch& batch) {
    std::int64_t size = dims_.volume() / dims_[0];
    for (std::int64_t i = 0; i < dims_[0]; ++i)
      if (!readNext(planes_.data() + i * size)) return false;
    batch.inputs[name_] = {planes_.data(), dims_};
    return true;
  }

 private:
  /// The next picture that can be read; false at the end. A batch that is not full is left out.
  bool readNext(float* planes) {
    while (next_ < count_) {
      throwIfInterrupted();
      const InputFile& file = files_[next_++ * files_.size() / count_];
      try {
        const Image image = readImage(file.path);
        if (letterbox_)
          letterbox_->write(image.view(), planes);
        else
          image_->write(image.view(), planes);
        return true;
      } catch (const Error& error) {
        if (file.named) throw;
        printNote(fmt::format("{}; calibrating without it", error.what()));
      }
    }
    return false;
  }

  std::vector<InputFile> files_;
  std::size_t count_, next_ = 0;
  std::string name_;
  Dims dims_;
  std::optional<LetterboxInput> letterbox_;
  std::optional<ImageInput> image_;
  std::vector<float> planes_;
};

/// Arrays of one or more inputs by name.
class ArraySource {
 public:
  ArraySource(const std::vector<std::string>& files, const Network& network) {
    for (int i = 0; i < network.inputCount(); ++i) {
      const Tensor& input = network.input(i);
      Files own{input.name(), input.type(), {}};
      for (const std::string& file : files) {
        const std::string stem = fs::path(file).stem().string(), name = fileNameOf(input.name());
        if (stem == name || stem.starts_with(name + "-")) own.paths.push_back(file);
      }
      if (!own.paths.empty()) inputs_.push_back(std::move(own));
    }
    if (inputs_.empty())
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("[--calib {}] is named after none of the network's inputs", files.front()));
    for (const Files& input : inputs_)
      if (input.paths.size() != inputs_[0].paths.size())
        throw Error(
            ErrorCode::kInvalidArgument,
            fmt::format("[--calib] {} files of input '{}' and {} of '{}'", input.paths.size(),
                        input.name, inputs_[0].paths.size(), inputs_[0].name));
  }

  bool operator()(CalibrationBatch& batch) {
    if (next_ == inputs_[0].paths.size()) return false;
    arrays_.clear();
    for (const Files& input : inputs_) {
      Array array = convertArray(readNpy(input.paths[next_]), input.type, input.paths[next_]);
      auto kept = std::make_shared<Array>(std::move(array));
      batch.inputs[input.name] = {kept->bytes.data(), kept->dims};
      arrays_.push_back(std::move(kept));
    }
    ++next_;
    return true;
  }

 private:
  struct Files {
    std::string name;
    DataType type;
    std::vector<std::string> paths;
  };
  std::vector<Files> inputs_;
  std::vector<std::shared_ptr<Array>> arrays_;
  std::size_t next_ = 0;
};

std::vector<std::string> arraysIn(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (extensionOf(entry.path().string()) == ".npy") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

CalibrationSource openCalibrationSource(const std::string& folder, int count,
                                        const Network& network,
                                        const OptimizationProfile& profile) {
  if (std::vector<std::string> arrays = arraysIn(folder); !arrays.empty())
    return ArraySource(arrays, network);
  // std::function asks for copies; the pictures' memory is large.
  auto pictures = std::make_shared<PictureSource>(findPictures({folder}), count, network, profile);
  return [pictures](CalibrationBatch& batch) { return (*pictures)(batch); };
}

}  // namespace layerwise::apps
