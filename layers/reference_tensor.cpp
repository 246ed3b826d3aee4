#include "layers/reference_tensor.h"

#include <bit>
#include <cmath>
#include <limits>

#include "layers/float16.h"

namespace layerwise {
namespace {

template <class T>
double saturate(double value) {
  if (std::isnan(value)) return 0;
  value = std::trunc(value);
  auto low = static_cast<double>(std::numeric_limits<T>::min());
  auto high = static_cast<double>(std::numeric_limits<T>::max());
  return value < low ? low : value > high ? high : value;
}

template <class T>
void writeIntegers(const std::vector<double>& values, void* data) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    double value = saturate<T>(values[i]);
    // The largest int64 is no double: the one above it would overflow the conversion.
    bool top = value >= static_cast<double>(std::numeric_limits<T>::max());
    static_cast<T*>(data)[i] = top ? std::numeric_limits<T>::max() : static_cast<T>(value);
  }
}

template <class T>
void readValues(std::vector<double>& values, const void* data) {
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(static_cast<const T*>(data)[i]);
}

}  // namespace

void ReferenceTensor::round() {
  for (double& value : values) {
    switch (info.type) {
      case DataType::kFloat32:
        value = static_cast<float>(value);
        break;
      case DataType::kFloat16:
        value = halfToFloat(halfFromFloat(static_cast<float>(value)));
        break;
      case DataType::kBFloat16:
        value = bfloat16ToFloat(bfloat16FromFloat(static_cast<float>(value)));
        break;
      case DataType::kInt8:
        value = saturate<std::int8_t>(value);
        break;
      case DataType::kUInt8:
        value = saturate<std::uint8_t>(value);
        break;
      case DataType::kInt32:
        value = saturate<std::int32_t>(value);
        break;
      case DataType::kInt64:
        value = saturate<std::int64_t>(value);
        break;
      case DataType::kBool:
        value = value != 0 ? 1 : 0;
        break;
    }
  }
}

ReferenceTensor ReferenceTensor::read(const TensorInfo& info, const void* data) {
  ReferenceTensor tensor(info);
  switch (info.type) {
    case DataType::kFloat32:
      readValues<float>(tensor.values, data);
      break;
    case DataType::kFloat16:
      for (std::size_t i = 0; i < tensor.values.size(); ++i)
        tensor.values[i] = halfToFloat(static_cast<const std::uint16_t*>(data)[i]);
      break;
    case DataType::kBFloat16:
      for (std::size_t i = 0; i < tensor.values.size(); ++i)
        tensor.values[i] = bfloat16ToFloat(static_cast<const std::uint16_t*>(data)[i]);
      break;
    case DataType::kInt8:
      readValues<std::int8_t>(tensor.values, data);
      break;
    case DataType::kUInt8:
    case DataType::kBool:
      readValues<std::uint8_t>(tensor.values, data);
      break;
    case DataType::kInt32:
      readValues<std::int32_t>(tensor.values, data);
      break;
    case DataType::kInt64:
      readValues<std::int64_t>(tensor.values, data);
      break;
  }
  return tensor;
}

void ReferenceTensor::write(void* data) const {
  switch (info.type) {
    case DataType::kFloat32:
      for (std::size_t i = 0; i < values.size(); ++i)
        static_cast<float*>(data)[i] = static_cast<float>(values[i]);
      break;
    case DataType::kFloat16:
      for (std::size_t i = 0; i < values.size(); ++i)
        static_cast<std::uint16_t*>(data)[i] = halfFromFloat(static_cast<float>(values[i]));
      break;
    case DataType::kBFloat16:
      for (std::size_t i = 0; i < values.size(); ++i)
        static_cast<std::uint16_t*>(data)[i] = bfloat16FromFloat(static_cast<float>(values[i]));
      break;
    case DataType::kInt8:
      writeIntegers<std::int8_t>(values, data);
      break;
    case DataType::kUInt8:
      writeIntegers<std::uint8_t>(values, data);
      break;
    case DataType::kBool:
      for (std::size_t i = 0; i < values.size(); ++i)
        static_cast<std::uint8_t*>(data)[i] = values[i] != 0 ? 1 : 0;
      break;
    case DataType::kInt32:
      writeIntegers<std::int32_t>(values, data);
      break;
    case DataType::kInt64:
      writeIntegers<std::int64_t>(values, data);
      break;
  }
}

}  // namespace layerwise
