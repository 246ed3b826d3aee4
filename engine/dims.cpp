#include "layerwise/dims.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "layerwise/error.h"

namespace layerwise {

Dims::Dims(std::initializer_list<std::int64_t> values) {
  for (std::int64_t value : values) append(value);
}

Dims Dims::filled(int rank, std::int64_t value) {
  if (rank < 0 || rank > kMaxRank)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[dims] rank {} is outside 0...{}", rank, kMaxRank));
  Dims dims;
  dims.rank_ = rank;
  std::fill(dims.begin(), dims.end(), value);
  return dims;
}

void Dims::append(std::int64_t value) {
  if (rank_ == kMaxRank)
    throw Error(ErrorCode::kInvalidShape, fmt::format("[dims] more than {} dimensions", kMaxRank));
  values_[rank_++] = value;
}

std::int64_t Dims::volume() const {
  // A zero anywhere makes the volume zero, however large the other values are.
  if (std::find(begin(), end(), 0) != end()) return 0;
  std::int64_t product = 1;
  for (std::int64_t value : *this) {
    if (value < 0)
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("[dims] {} has no volume yet", toString(*this)));
    if (value > std::numeric_limits<std::int64_t>::max() / product)
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("[dims] the volume of {} overflows", toString(*this)));
    product *= value;
  }
  return product;
}

bool Dims::isDynamic() const {
  return std::find(begin(), end(), -1) != end();
}

bool Dims::operator==(const Dims& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string toString(const Dims& dims) {
  if (dims.empty()) return "scalar";
  return fmt::format("{}", fmt::join(dims.begin(), dims.end(), "x"));
}

}  // namespace layerwise
