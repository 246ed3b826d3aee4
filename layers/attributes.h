#pragma once

#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "layerwise/dims.h"
#include "layerwise/error.h"
#include "layerwise/fields.h"
#include "layerwise/layers.h"
#include "layerwise/weights.h"

namespace layerwise {

/// Writes an attribute struct into Fields: enums and types by name, so that a plan file does not
/// depend on their numbers.
class FieldWriter {
 public:
  explicit FieldWriter(Fields& fields) : fields_(fields) {}

  void operator()(std::string_view name, std::int64_t value) { fields_.set(name, value); }
  void operator()(std::string_view name, bool value) { fields_.set(name, std::int64_t{value}); }
  void operator()(std::string_view name, double value) { fields_.set(name, value); }
  void operator()(std::string_view name, DataType value) {
    fields_.set(name, std::string(toString(value)));
  }
  void operator()(std::string_view name, const Dims& value) {
    fields_.set(name, std::vector<std::int64_t>(value.begin(), value.end()));
  }
  void operator()(std::string_view name, const std::vector<std::int64_t>& value) {
    fields_.set(name, value);
  }
  void operator()(std::string_view name, const std::vector<double>& value) {
    fields_.set(name, value);
  }
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view name, E value) {
    auto index = static_cast<std::size_t>(value);
    if (index >= EnumNames<E>::kNames.size())
      throw Error(ErrorCode::kInvalidArgument, "[attribute " + std::string(name) + "] " +
                                                   std::to_string(index) +
                                                   " is none of the values there are");
    fields_.set(name, std::string(EnumNames<E>::kNames[index]));
  }

 private:
  Fields& fields_;
};

/// Fills an attribute struct from Fields; throws Error kBadFile for a field that is missing, of
/// another type or out of range.
class FieldReader {
 public:
  explicit FieldReader(const Fields& fields) : fields_(fields) {}

  void operator()(std::string_view name, std::int64_t& value) const {
    value = fields_.integer(name);
  }
  void operator()(std::string_view name, bool& value) const { value = fields_.integer(name) != 0; }
  void operator()(std::string_view name, double& value) const { value = fields_.real(name); }
  void operator()(std::string_view name, DataType& value) const {
    value = dataTypeFromString(fields_.text(name));
  }
  void operator()(std::string_view name, Dims& value) const {
    value = Dims();
    for (std::int64_t number : fields_.integers(name)) value.append(number);
  }
  void operator()(std::string_view name, std::vector<std::int64_t>& value) const {
    value = fields_.integers(name);
  }
  void operator()(std::string_view name, std::vector<double>& value) const {
    value = fields_.reals(name);
  }
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view name, E& value) const {
    const std::string& text = fields_.text(name);
    for (std::size_t i = 0; i < EnumNames<E>::kNames.size(); ++i) {
      if (EnumNames<E>::kNames[i] == text) {
        value = static_cast<E>(i);
        return;
      }
    }
    throw Error(ErrorCode::kBadFile, "[attribute " + std::string(name) + "] '" + text +
                                         "' is none of the values there are");
  }

 private:
  const Fields& fields_;
};

/// What can be done with an attribute struct whose type is erased.
struct AttributeOperations {
  std::shared_ptr<const void> (*clone)(const void*);
  Fields (*toFields)(const void*);
  /// A plugin needs its weights too; every other layer keeps them outside of its attributes.
  std::shared_ptr<const void> (*fromFields)(const Fields&, std::span<const Weights>);
};

template <class A>
const AttributeOperations& attributeOperations() {
  static const AttributeOperations operations = {
      [](const void* p) -> std::shared_ptr<const void> {
        return std::make_shared<A>(*static_cast<const A*>(p));
      },
      [](const void* p) {
        Fields fields;
        A::visit(*static_cast<const A*>(p), FieldWriter(fields));
        return fields;
      },
      [](const Fields& fields, std::span<const Weights>) -> std::shared_ptr<const void> {
        auto attributes = std::make_shared<A>();
        A::visit(*attributes, FieldReader(fields));
        return attributes;
      }};
  return operations;
}

}  // namespace layerwise
