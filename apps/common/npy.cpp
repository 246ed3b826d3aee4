#include "apps/common/npy.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "apps/common/files.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxFile = std::size_t{1} << 34;
constexpr std::size_t kAlignment = 64;

struct TypeName {
  std::string_view descr;
  DataType type;
};
constexpr TypeName kTypes[] = {{"<f4", DataType::kFloat32}, {"<f2", DataType::kFloat16},
                               {"<i4", DataType::kInt32},   {"<i8", DataType::kInt64},
                               {"|i1", DataType::kInt8},    {"|u1", DataType::kUInt8},
                               {"|b1", DataType::kBool}};

float halfToFloat(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const int exponent = (half >> 10) & 31;
  const auto mantissa = static_cast<float>(half & 1023);
  float value = exponent == 0    ? std::ldexp(mantissa, -24)
                : exponent == 31 ? (mantissa != 0.0f ? std::numeric_limits<float>::quiet_NaN()
                                                     : std::numeric_limits<float>::infinity())
                                 : std::ldexp(mantissa + 1024.0f, exponent - 25);
  return sign ? -value : value;
}

/// The header: a Python dict literal with three keys.
class Header {
 public:
  Header(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  std::string descr() const {
    const std::string_view rest = behind("'descr'");
    if (rest.empty() || rest[0] != '\'') fail("has a type that is no plain one (fields?)");
    return std::string(rest.substr(1, rest.find('\'', 1) - 1));
  }

  void requireCOrder() const {
    if (!behind("'fortran_order'").starts_with("False"))
      fail("is in Fortran order; save numpy.ascontiguousarray of it");
  }

  Dims shape() const {
    std::string_view rest = behind("'shape'");
    if (rest.empty() || rest[0] != '(') fail("has a header without a shape");
    rest = rest.substr(1, rest.find(')') - 1);
    Dims dims;
    while (true) {
      const std::size_t first = rest.find_first_of("0123456789");
      if (first == rest.npos) return dims;
      std::int64_t value = 0;
      const auto [end, error] =
          std::from_chars(rest.data() + first, rest.data() + rest.size(), value);
      if (error != std::errc() || rest.substr(0, first).find_first_not_of(" ,") != rest.npos)
        fail("has a header with a shape that is none");
      if (dims.rank() == Dims::kMaxRank)
        fail(fmt::format("has more than {} dimensions", Dims::kMaxRank));
      dims.append(value);
      rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kBadFile, fmt::format("[array {}] {}", path_, what));
  }

 private:
  /// What follows a key and its colon.
  std::string_view behind(std::string_view key) const {
    std::size_t at = text_.find(key);
    if (at == text_.npos) fail(fmt::format("has a header without {}", key));
    at = text_.find(':', at + key.size());
    if (at == text_.npos) fail("has a damaged header");
    at = text_.find_first_not_of(' ', at + 1);
    return at == text_.npos ? std::string_view() : text_.substr(at);
  }

  const std::string& path_;
  std::string_view text_;
};

std::uint32_t littleEndian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

template <class T>
T load(const std::byte* bytes, std::int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void storeInteger(Array& to, const Array& from, const std::string& name) {
  for (std::int64_t i = 0; i < from.count(); ++i) {
    const double value = from.value(i);
    if (!(value >= static_cast<double>(std::numeric_limits<T>::lowest()) &&
          value <= static_cast<double>(std::numeric_limits<T>::max())) ||
        value != std::floor(value))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[array {}] value {} at {} does not fit {}", name, value, i,
                              toString(to.type)));
    const T stored = static_cast<T>(value);
    std::memcpy(to.bytes.data() + i * static_cast<std::int64_t>(sizeof(T)), &stored, sizeof(T));
  }
}

}  // namespace

double Array::value(std::int64_t index) const {
  const std::byte* data = bytes.data();
  switch (type) {
    case DataType::kFloat32:
      return load<float>(data, index);
    case DataType::kFloat16:
      return halfToFloat(load<std::uint16_t>(data, index));
    case DataType::kBFloat16:
      return std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(data, index)} << 16);
    case DataType::kInt8:
      return load<std::int8_t>(data, index);
    case DataType::kUInt8:
    case DataType::kBool:
      return load<std::uint8_t>(data, index);
    case DataType::kInt32:
      return load<std::int32_t>(data, index);
    case DataType::kInt64:
      return static_cast<double>(load<std::int64_t>(data, index));
  }
  return 0.0;
}

Array readNpy(const std::string& path) {
  const std::string file = readText(path, "array", kMaxFile);
  const auto bad = [&](const std::string& what) {
    return Error(ErrorCode::kBadFile, fmt::format("[array {}] {}", path, what));
  };
  if (!std::string_view(file).starts_with(kMagic) || file.size() < 12) throw bad("is no .npy file");
  const int version = file[6];
  if (version < 1 || version > 3)
    throw bad(fmt::format("is of format {}, 1 to 3 can be read", version));
  const std::size_t start = version == 1 ? 10 : 12;
  const std::size_t length = littleEndian(std::string_view(file).substr(8, version == 1 ? 2 : 4));
  if (length > file.size() - start) throw bad("is truncated in its header");
  const Header header(path, std::string_view(file).substr(start, length));

  const std::string descr = header.descr();
  const bool isDouble = descr == "<f8";
  Array array;
  bool known = isDouble;
  for (const TypeName& entry : kTypes)
    if (entry.descr == descr) array.type = entry.type, known = true;
  if (!known)
    throw bad(fmt::format("holds type '{}'; f2, f4, f8, i1, i4, i8, u1 and b1 can be read", descr));
  header.requireCOrder();
  array.dims = header.shape();
  const std::size_t width = isDouble ? sizeof(double) : sizeOf(array.type);
  const std::size_t held = file.size() - start - length;
  const auto volume = static_cast<std::size_t>(array.dims.volume());
  if (volume > held / width || volume * width != held)
    throw bad(fmt::format("holds {} bytes, {} of {} need {} each", held, toString(array.dims),
                          descr, width));
  const char* data = file.data() + start + length;
  array.bytes.resize(volume * sizeOf(array.type));
  if (isDouble) {
    for (std::size_t i = 0; i < volume; ++i) {
      double value;
      std::memcpy(&value, data + i * sizeof value, sizeof value);
      array.as<float>()[i] = static_cast<float>(value);
    }
  } else {
    std::memcpy(array.bytes.data(), data, held);
  }
  return array;
}

void writeNpy(const std::string& path, const Array& array) {
  std::string_view descr;
  for (const TypeName& entry : kTypes)
    if (entry.type == array.type) descr = entry.descr;
  if (descr.empty())
    return writeNpy(path, convertArray(array, DataType::kFloat32, path));  // bfloat16
  std::string shape;
  for (std::int64_t dim : array.dims) shape += fmt::format("{}, ", dim);
  if (array.dims.rank() > 1) shape.resize(shape.size() - 2);
  if (array.dims.rank() == 1) shape.resize(shape.size() - 1);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  const std::size_t prefix = kMagic.size() + 4;
  header.append(kAlignment - (prefix + header.size() + 1) % kAlignment, ' ');
  header += '\n';
  std::string file(kMagic);
  file += {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  file += header;
  file.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  writeFile(path, file, "array");
}

Array copyTensor(const TensorView& tensor) {
  Array array{tensor.type, tensor.dims, {}};
  const std::size_t width = sizeOf(tensor.type);
  const std::int64_t volume = tensor.dims.volume();
  array.bytes.resize(static_cast<std::size_t>(volume) * width);
  const auto* from = static_cast<const std::byte*>(tensor.data);
  std::byte* to = array.bytes.data();
  std::array<std::int64_t, Dims::kMaxRank> index{};
  for (std::int64_t i = 0; i < volume; ++i, to += width) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < tensor.dims.rank(); ++axis)
      offset += index[static_cast<std::size_t>(axis)] * tensor.strides[axis];
    std::memcpy(to, from + offset * static_cast<std::int64_t>(width), width);
    for (int axis = tensor.dims.rank() - 1; axis >= 0; --axis) {
      auto& at = index[static_cast<std::size_t>(axis)];
      if (++at < tensor.dims[axis]) break;
      at = 0;
    }
  }
  return array;
}

Array convertArray(Array array, DataType type, const std::string& name) {
  if (array.type == type) return array;
  Array converted{type, array.dims, {}};
  converted.bytes.resize(static_cast<std::size_t>(array.count()) * sizeOf(type));
  switch (type) {
    case DataType::kFloat32:
      for (std::int64_t i = 0; i < array.count(); ++i)
        converted.as<float>()[i] = static_cast<float>(array.value(i));
      break;
    case DataType::kInt8:
      storeInteger<std::int8_t>(converted, array, name);
      break;
    case DataType::kUInt8:
      storeInteger<std::uint8_t>(converted, array, name);
      break;
    case DataType::kInt32:
      storeInteger<std::int32_t>(converted, array, name);
      break;
    case DataType::kInt64:
      storeInteger<std::int64_t>(converted, array, name);
      break;
    case DataType::kBool:
    case DataType::kFloat16:
    case DataType::kBFloat16:
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[array {}] holds {}, {} is needed", name, toString(array.type),
                              toString(type)));
  }
  return converted;
}

std::string fileNameOf(const std::string& tensor) {
  std::string name = tensor.empty() ? "unnamed" : tensor;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '_';
  if (name[0] == '.') name[0] = '_';
  constexpr std::size_t kLongest = 180;
  if (name.size() > kLongest) name.resize(kLongest);
  return name;
}

}  // namespace layerwise::apps
