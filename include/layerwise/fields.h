#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

/// A named value of an attribute struct or a plugin: what a plan file stores of a layer, and what
/// is hashed, compared and printed.
struct Field {
  using Value = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>,
                             std::vector<double>>;

  std::string name;
  Value value;

  bool operator==(const Field&) const = default;
};

/// Named values, in the order in which they were first set.
class LAYERWISE_API Fields {
 public:
  void set(std::string_view name, Field::Value value);  ///< replaces a value of the same name
  void reserve(std::size_t count) { fields_.reserve(count); }
  const Field::Value* find(std::string_view name) const;  ///< nullptr where there is none

  /// The value; throw Error kBadFile naming the field where it is missing or of another type.
  std::int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  const std::vector<std::int64_t>& integers(std::string_view name) const;
  const std::vector<double>& reals(std::string_view name) const;

  const std::vector<Field>& all() const { return fields_; }
  bool operator==(const Fields&) const = default;

 private:
  std::vector<Field> fields_;
};

/// "kernel=3x3 stride=1x1 groups=1": one line, in order.
LAYERWISE_API std::string toString(const Fields& fields);

}  // namespace layerwise
