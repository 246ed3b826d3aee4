#include "backends/opencl/nvidia/conv_trial.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "backends/opencl/executor.h"
#include "layers/float16.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

constexpr std::uint32_t kBeyondTf32 = 0x1fff;  // bits of a float's fraction

ConvTensor tensor(int buffer, const Layout& layout, const Dims& dims) {
  return convTensor({buffer, 0, layout.type, dims, denseStrides(layout, dims)});
}

double valueAt(const std::vector<std::byte>& raw, std::size_t index, DataType type) {
  std::uint16_t half;
  float single;
  if (type == DataType::kFloat16) {
    std::memcpy(&half, &raw[index * sizeof half], sizeof half);
    return halfToFloat(half);
  }
  std::memcpy(&single, &raw[index * sizeof single], sizeof single);
  return single;
}

}  // namespace

ConvTrial::ConvTrial(ConvMath math, std::int64_t channels, std::int64_t stride) : math_(math) {
  const bool bytes = math == ConvMath::kBytes;
  ConvProblem& p = problem;
  p.images = 2, p.inChannels = channels, p.outChannels = 45;
  p.inHeight = 9, p.inWidth = 7;
  p.outHeight = (p.inHeight - 1) / stride + 1, p.outWidth = (p.inWidth - 1) / stride + 1;
  p.kernelHeight = p.kernelWidth = 3, p.strideY = p.strideX = stride, p.padY = p.padX = 1;
  std::mt19937 random(1);
  auto draw = [&](std::int64_t count, int least, int most) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values)
      v = static_cast<float>(least +
                             static_cast<int>(random() % static_cast<unsigned>(most - least + 1)));
    return values;
  };
  const std::int64_t inputs = p.images * p.inChannels * p.inHeight * p.inWidth;
  input = bytes ? draw(inputs, 0, 255) : draw(inputs, -8, 8);
  if (math == ConvMath::kTf32)
    for (float& v : input)
      if (v != 0) v = std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) | kBeyondTf32);
  // Powers of two: a weight in TF32 that stands for one is the same number.
  weights =
      bytes ? draw(p.outChannels * p.depth(), -128, 127) : draw(p.outChannels * p.depth(), -2, 2);
  bias = draw(p.outChannels, -8, 8);
  if (math == ConvMath::kTf32x3) {
    // Inputs of every other channel and the others' weights have two parts; sums stay exact.
    constexpr float kTwoParts = 4097;
    const auto channelOf = [&](std::size_t at, std::int64_t size) {
      return static_cast<std::int64_t>(at) / size % p.inChannels;
    };
    for (std::size_t i = 0; i < input.size(); ++i)
      input[i] =
          std::trunc(input[i] / 2) * (channelOf(i, p.inHeight * p.inWidth) % 2 ? 1 : kTwoParts);
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (channelOf(i, p.kernelHeight * p.kernelWidth) % 2) weights[i] *= kTwoParts;
  }
  if (bytes) zeroPoint = 77;
}

std::vector<double> ConvTrial::sums() const {
  const ConvProblem& p = problem;
  std::vector<double> all;
  for (std::int64_t n = 0; n < p.images; ++n)
    for (std::int64_t oy = 0; oy < p.outHeight; ++oy)
      for (std::int64_t ox = 0; ox < p.outWidth; ++ox)
        for (std::int64_t o = 0; o < p.outChannels; ++o) {
          double sum = bias[static_cast<std::size_t>(o)];
          for (std::int64_t c = 0; c < p.inChannels; ++c)
            for (std::int64_t ky = 0; ky < 3; ++ky)
              for (std::int64_t kx = 0; kx < 3; ++kx) {
                const std::int64_t y = oy * p.strideY - 1 + ky, x = ox * p.strideX - 1 + kx;
                if (y < 0 || x < 0 || y >= p.inHeight || x >= p.inWidth) continue;
                float value = input[static_cast<std::size_t>(
                    ((n * p.inChannels + c) * p.inHeight + y) * p.inWidth + x)];
                if (math_ == ConvMath::kTf32)
                  value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & ~kBeyondTf32);
                sum +=
                    (static_cast<double>(value) - static_cast<double>(zeroPoint)) *
                    weights[static_cast<std::size_t>(((o * p.inChannels + c) * 3 + ky) * 3 + kx)];
              }
          all.push_back(sum);
        }
  return all;
}

ConvTensor ConvTrial::inputTensor() const {
  return tensor(1,
                Layout::linear(math_ == ConvMath::kBytes ? DataType::kUInt8 : DataType::kFloat32),
                {problem.images, problem.inChannels, problem.inHeight, problem.inWidth});
}

ConvTensor ConvTrial::outputTensor(DataType type, const Dims& dims) const {
  return tensor(2, Layout::channelsLast(type, 4), dims);
}

std::vector<double> ConvTrial::run(const Device& device, std::unique_ptr<Step> step,
                                   const ConvTensor& output) const {
  const bool bytes = math_ == ConvMath::kBytes;
  std::vector<std::uint8_t> inBytes(input.begin(), bytes ? input.end() : input.begin());
  std::vector<float> inFloats = input;
  const auto count = static_cast<std::size_t>(output.view.dims.volume());
  std::vector<std::byte> raw(count * sizeOf(output.view.type));
  std::vector<void*> io{inFloats.data(), raw.data()};
  if (bytes) io[0] = inBytes.data();
  std::vector<BoundStep> steps(1);
  steps[0].step = std::move(step);
  ClExecutor executor(device, std::make_shared<ThreadPool>(1));
  executor.prepare(
      steps, {},
      std::vector<IoBuffer>{{bytes ? inBytes.size() : input.size() * sizeof(float), true, false},
                            {raw.size(), false, true}});
  executor.run(steps, io, nullptr, {});
  std::vector<double> results(count);
  for (std::size_t i = 0; i < count; ++i) results[i] = valueAt(raw, i, output.view.type);
  return results;
}

bool agree(const std::vector<double>& results, const std::vector<double>& wanted, bool exact) {
  if (results.size() != wanted.size()) return false;
  // A half holds 11 bits.
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!(std::abs(results[i] - wanted[i]) <= (exact ? 0 : std::abs(wanted[i]) / 2048)))
      return false;
  return true;
}

}  // namespace layerwise::opencl
