#include "apps/classify/labelled_pictures.h"

#include <fmt/format.h>

#include "apps/common/program.h"
#include "layerwise/error.h"

namespace layerwise::apps {

LabelledPictures::LabelledPictures(const std::vector<std::string>& words) {
  if (words.size() == 1) {
    files_ = openClassificationDataset(words[0]);
  } else if (words.size() == 2) {
    // By their names: images-idx3 and labels-idx1.
    const bool swapped = words[0].find("idx1") != words[0].npos;
    digits_ = readIdxDataset(words[swapped ? 1 : 0], words[swapped ? 0 : 1]);
  } else {
    throw UsageError(
        fmt::format("[--val] {} words behind the engine; a FOLDER, a LIST or the IDX "
                    "pair needed",
                    words.size()));
  }
  if (size() == 0)
    throw Error(ErrorCode::kBadFile, fmt::format("[data set {}] holds no images", words[0]));
}

std::size_t LabelledPictures::size() const {
  return digits_.labels.empty() ? files_.images.size() : digits_.labels.size();
}

LabelledPicture LabelledPictures::read(std::size_t index) const {
  if (digits_.labels.empty()) {
    LabelledPicture picture{readImage(files_.images[index].path), {}, files_.images[index].classId};
    picture.view = picture.image.view();
    return picture;
  }
  const auto size =
      static_cast<std::size_t>(digits_.width) * static_cast<std::size_t>(digits_.height);
  return {{},
          {digits_.pixels.data() + index * size, digits_.width, digits_.height, digits_.width,
           PixelFormat::kGray},
          digits_.labels[index]};
}

}  // namespace layerwise::apps
