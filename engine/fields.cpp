#include "layerwise/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"

namespace layerwise {
namespace {

template <class T>
const T& get(const Fields& fields, std::string_view name, std::string_view type) {
  const Field::Value* value = fields.find(name);
  if (!value) throw Error(ErrorCode::kBadFile, fmt::format("[attribute {}] is missing", name));
  if (const T* typed = std::get_if<T>(value)) return *typed;
  throw Error(ErrorCode::kBadFile, fmt::format("[attribute {}] is not {}", name, type));
}

std::string print(const Field::Value& value) {
  if (auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (auto* text = std::get_if<std::string>(&value)) return *text;
  if (auto* numbers = std::get_if<std::vector<std::int64_t>>(&value))
    return fmt::format("{}", fmt::join(*numbers, "x"));
  return fmt::format("{}", fmt::join(std::get<std::vector<double>>(value), ","));
}

}  // namespace

void Fields::set(std::string_view name, Field::Value value) {
  for (Field& field : fields_) {
    if (field.name == name) {
      field.value = std::move(value);
      return;
    }
  }
  fields_.push_back({std::string(name), std::move(value)});
}

const Field::Value* Fields::find(std::string_view name) const {
  auto field =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.name == name; });
  return field == fields_.end() ? nullptr : &field->value;
}

std::int64_t Fields::integer(std::string_view name) const {
  return get<std::int64_t>(*this, name, "an integer");
}
double Fields::real(std::string_view name) const {
  return get<double>(*this, name, "a real number");
}
const std::string& Fields::text(std::string_view name) const {
  return get<std::string>(*this, name, "a text");
}
const std::vector<std::int64_t>& Fields::integers(std::string_view name) const {
  return get<std::vector<std::int64_t>>(*this, name, "a list of integers");
}
const std::vector<double>& Fields::reals(std::string_view name) const {
  return get<std::vector<double>>(*this, name, "a list of real numbers");
}

std::string toString(const Fields& fields) {
  std::string line;
  for (const Field& field : fields.all()) {
    std::string value = print(field.value);
    if (value.empty()) continue;
    if (!line.empty()) line += ' ';
    line += field.name + '=' + value;
  }
  return line;
}

}  // namespace layerwise
