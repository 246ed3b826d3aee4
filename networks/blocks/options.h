#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "layerwise/network_registry.h"

namespace layerwise::blocks {

/// Height and width in pixels.
struct ImageSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

std::string toString(ImageSize size);  ///< "288x800", height first

/// What the user gave to a family, read as numbers. All throw Error naming the option and the text.
class Options {
 public:
  Options(std::string family, const std::map<std::string, std::string>& values)
      : family_(std::move(family)), values_(values) {}

  const std::string& family() const { return family_; }
  const std::string& text(const std::string& name) const;
  bool given(const std::string& name) const { return !text(name).empty(); }
  bool flag(const std::string& name) const;  ///< true, false, 1, 0
  std::int64_t integer(const std::string& name, std::int64_t low, std::int64_t high) const;
  std::int64_t integerOr(const std::string& name, std::int64_t low, std::int64_t high,
                         std::int64_t fallback) const;
  std::vector<double> reals(const std::string& name) const;  ///< separated by commas
  ImageSize size(const std::string& name) const;             ///< N or HxW
  /// The option where it is given, or else the weights' metadata "imgsz", or else the fallback.
  ImageSize imageSize(const WeightMap& weights, ImageSize fallback) const;
  /// One of the words, or Error listing them.
  const std::string& choice(const std::string& name, const std::vector<std::string>& words) const;

  [[noreturn]] void refuse(const std::string& name, const std::string& why) const;

 private:
  std::string family_;
  std::map<std::string, std::string> values_;
};

/// "0.485,0.456,0.406"
std::string join(const std::vector<double>& values);

}  // namespace layerwise::blocks
