// Convolutions on NVIDIA's devices through OpenCL, layers of known networks (channels-last, but
// pictures in planes of float32; ReLU fused, no groups) with every tile: microseconds by the
// device's clock, the least of some runs that follow one another, beside what the cost model says.
// Results are compared with the first tile's. For a picture's first convolution in float16 or TF32
// also with the maximum over windows of 3x3/2 behind it, which must be that of the last tile's
// results.
//
//   cl_conv_bench int8|fp16|tf32|fp32|fp32x3 NETWORK[:LAYER] BATCH [DEVICE] [CUTS] [FAMILY]
//
// LAYER counts from 0. A line a layer with the best of each family, of the CUTS that the cost model
// thinks best; where CUTS is given also a line each of them. FAMILY is one of them, 0 to 2.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "backends/opencl/discovery.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/nvidia/conv_strip.h"
#include "bench/conv_layers.h"
#include "layers/float16.h"
#include "layerwise/error.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

class Seconds final : public Profiler {
 public:
  void report(const Step& step) override { least = std::min(least, step.seconds); }
  double least = 1e9;
};

ConvProblem problemOf(const cpu::Layer& layer, std::int64_t batch) {
  const cpu::ConvShape s = cpu::shapeOf(layer);
  ConvProblem p;
  p.images = batch, p.inChannels = s.ci, p.outChannels = s.co;
  p.inHeight = s.h, p.inWidth = s.w, p.outHeight = s.outH(), p.outWidth = s.outW();
  p.kernelHeight = s.kh, p.kernelWidth = s.kw;
  p.strideY = s.sh, p.strideX = s.sw, p.padY = s.pt, p.padX = s.pl;
  return p;
}

/// A layer's tensors on the host, as the device takes them.
class Case {
 public:
  Case(const Device& device, const ConvProblem& problem, ConvMath math)
      : device_(device), problem_(problem), math_(math), type_(convType(math)) {
    const ConvProblem& p = problem_;
    const DataType inType = readsPlanes(p) ? DataType::kFloat32 : type_;
    in_ = tensor(1, readsPlanes(p) ? Layout::linear(inType) : Layout::channelsLast(inType, 4),
                 {p.images, p.inChannels, p.inHeight, p.inWidth});
    out_ = tensor(2, Layout::channelsLast(type_, 4),
                  {p.images, p.outChannels, p.outHeight, p.outWidth});
    weights_ = random(p.outChannels * p.depth());
    if (type_ == DataType::kUInt8)
      for (float& w : weights_) w = std::rint(w * 127);
    quantized_.inputZeroPoint = 128;
    const std::vector<float> x = random(in_.view.dims.volume());
    input_.resize(x.size() * sizeOf(inType));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint16_t half = halfFromFloat(x[i]);
      if (inType == DataType::kUInt8) input_[i] = static_cast<std::byte>(128 + 127 * x[i]);
      if (inType == DataType::kFloat16) std::memcpy(&input_[i * 2], &half, 2);
      if (inType == DataType::kFloat32) std::memcpy(&input_[i * 4], &x[i], 4);
    }
    output_.resize(static_cast<std::size_t>(out_.view.dims.volume()) * sizeOf(type_));
  }

  /// Seconds, and the largest difference from the first cut's result as a share of its range.
  std::pair<double, double> measure(ClExecutor& executor, const ConvCut& cut, int runs) {
    ConvBinding b;
    b.cut = cut, b.problem = problem_, b.in = in_, b.out = out_;
    const Activation relu{ActivationType::kRelu};
    b.activation = &relu;
    b.inverse = 127, b.zero = 128;
    const auto outputs = static_cast<std::size_t>(problem_.outChannels);
    const std::vector<float> bias(outputs, 0.1f);
    std::shared_ptr<const PackedConv> packed;
    if (type_ == DataType::kUInt8) {
      // Results that fill some quarter of the bytes' range.
      const float scale = 64 / (73.0f * 73 * std::sqrt(static_cast<float>(problem_.depth())));
      packed = uploadQuantizedConv(device_, cut.tile, problem_, weights_,
                                   {quantized_, std::vector<float>(outputs, scale), bias});
    } else {
      packed = uploadConv(device_, cut.tile, problem_, weights_, bias);
    }
    const double seconds =
        measure(executor, bindNvidiaConv(device_, b, *packed), output_.size(), runs);
    return {seconds, difference()};
  }

  std::optional<PooledConv> pooled() const {
    Pooling pooling{.window = {3, 3}, .stride = {2, 2}};
    pooling.setPadding({1, 1});
    const ConvProblem& p = problem_;
    Convolution a{{.outputs = p.outChannels,
                   .kernel = {p.kernelHeight, p.kernelWidth},
                   .stride = {p.strideY, p.strideX}}};
    a.setPadding({p.padY, p.padX});
    if (math_ != ConvMath::kHalf && math_ != ConvMath::kTf32) return std::nullopt;
    return pooledConv(math_, a, pooling, in_.view.dims);
  }

  /// Seconds, and the share of maxima that are not those of the last results measured. Those are
  /// lost.
  std::pair<double, double> measurePooled(ClExecutor& executor, const PooledConv& p,
                                          const StripCut& cut, int runs) {
    if (maxima_.empty()) maxima_ = maximaOf(p);
    StripBinding b;
    b.cut = cut, b.problem = p, b.in = in_;
    b.out = tensor(2, Layout::channelsLast(type_, 4),
                   {p.conv.images, p.conv.outChannels, p.height, p.width});
    const Activation relu{ActivationType::kRelu};
    b.activation = &relu;
    const auto packed =
        uploadStripConv(device_, p.math, p.conv, weights_,
                        std::vector<float>(static_cast<std::size_t>(p.conv.outChannels), 0.1f));
    const double seconds =
        measure(executor, bindStripConv(device_, b, *packed), maxima_.size() * sizeOf(type_), runs);
    const std::vector<float> got = values(maxima_.size());
    std::size_t wrong = 0;
    // Sums in TF32 are added up in another order.
    const float tolerance = type_ == DataType::kFloat32 ? 1e-4f : 0;
    for (std::size_t i = 0; i < got.size(); ++i)
      wrong += !(std::abs(got[i] - maxima_[i]) <= tolerance);
    return {seconds, static_cast<double>(wrong) / static_cast<double>(got.size())};
  }

 private:
  static ConvTensor tensor(int buffer, const Layout& layout, const Dims& dims) {
    return convTensor({buffer, 0, layout.type, dims, denseStrides(layout, dims)});
  }
  std::vector<float> random(std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(engine_()) * 0x1p-31f - 1;
    return values;
  }
  /// The least of some runs; output_ holds the results of one.
  double measure(ClExecutor& executor, std::unique_ptr<Step> step, std::size_t outputBytes,
                 int runs) {
    std::vector<BoundStep> steps(1);
    steps[0].step = std::move(step);
    std::fill(output_.begin(), output_.end(), std::byte{0xff});
    std::vector<void*> io{input_.data(), output_.data()};
    executor.prepare(
        steps, {}, std::vector<IoBuffer>{{input_.size(), true, false}, {outputBytes, true, true}});
    executor.run(steps, io, nullptr, {});
    executor.prepare(
        steps, {},
        std::vector<IoBuffer>{{input_.size(), false, false}, {outputBytes, false, false}});
    Seconds seconds;
    for (int i = 0; i < runs; ++i) executor.run(steps, io, &seconds, {});
    return seconds.least;
  }
  std::vector<float> maximaOf(const PooledConv& p) const {
    const std::vector<float> all = values(output_.size() / sizeOf(type_));
    const std::int64_t height = p.conv.outHeight, width = p.conv.outWidth,
                       channels = p.conv.outChannels;
    std::vector<float> most;
    for (std::int64_t n = 0; n < p.conv.images; ++n)
      for (std::int64_t y = 0; y < p.height; ++y)
        for (std::int64_t x = 0; x < p.width; ++x)
          for (std::int64_t c = 0; c < channels; ++c) {
            float found = -INFINITY;
            for (auto sy = std::max<std::int64_t>(0, 2 * y - 1); sy < std::min(2 * y + 2, height);
                 ++sy)
              for (auto sx = std::max<std::int64_t>(0, 2 * x - 1); sx < std::min(2 * x + 2, width);
                   ++sx)
                found = std::max(
                    found,
                    all[static_cast<std::size_t>(((n * height + sy) * width + sx) * channels + c)]);
            most.push_back(found);
          }
    return most;
  }
  /// So many of output_.
  std::vector<float> values(std::size_t count) const {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint16_t half = 0;
      if (type_ == DataType::kUInt8) values[i] = static_cast<float>(output_[i]);
      if (type_ == DataType::kFloat16) std::memcpy(&half, &output_[i * 2], 2);
      if (type_ == DataType::kFloat16) values[i] = halfToFloat(half);
      if (type_ == DataType::kFloat32) std::memcpy(&values[i], &output_[i * 4], 4);
    }
    return values;
  }
  double difference() {
    const std::vector<float> values = this->values(output_.size() / sizeOf(type_));
    if (expected_.empty()) expected_ = values;
    float range = 0, most = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      range = std::max(range, std::abs(expected_[i]));
      // NaN counts as wrong.
      const float d = std::abs(values[i] - expected_[i]);
      most = d <= most ? most : d == d ? d : 1e30f;
    }
    return most / range;
  }

  const Device& device_;
  ConvProblem problem_;
  ConvMath math_;
  DataType type_;
  std::mt19937 engine_{1};
  ConvTensor in_, out_;
  QuantizedConvolution quantized_;
  std::vector<float> weights_;
  std::vector<std::byte> input_, output_;
  std::vector<float> expected_, maxima_;
};

int work(const std::vector<std::string>& words) {
  const ConvMath math = words[0] == "int8"     ? ConvMath::kBytes
                        : words[0] == "fp16"   ? ConvMath::kHalf
                        : words[0] == "tf32"   ? ConvMath::kTf32
                        : words[0] == "fp32x3" ? ConvMath::kTf32x3
                                               : ConvMath::kFloat;
  const std::int64_t batch = std::stoll(words[2]);
  const Device* device = findDevice(words.size() > 3 ? words[3] : "opencl");
  if (!device) throw Error(ErrorCode::kDevice, "[device] there is no such device");
  const bool all = words.size() > 4;
  const std::size_t most = all ? static_cast<std::size_t>(std::stoi(words[4])) : 12;
  const int multiprocessors = static_cast<int>(device->info().computeUnits);
  ClExecutor executor(*device, std::make_shared<ThreadPool>(1));
  std::vector<ConvFamily> families;
  for (ConvUnit unit : {ConvUnit::kWarp, ConvUnit::kWarpgroup, ConvUnit::kPatch})
    if (nvidiaConvWorks(*device, {math, unit}) &&
        !(unit != ConvUnit::kWarp && math == ConvMath::kFloat) &&
        (words.size() < 6 || std::stoi(words[5]) == static_cast<int>(unit)))
      families.push_back({math, unit});
  const std::size_t colon = words[1].find(':');
  int skipped = colon == std::string::npos ? -1 : std::stoi(words[1].substr(colon + 1));
  std::map<int, double> totals;
  double bestTotal = 0;
  for (const cpu::Layer& layer : cpu::kLayers) {
    if (layer.network != words[1].substr(0, colon) || layer.groups != 1) continue;
    if (colon != std::string::npos && skipped-- != 0) continue;
    const ConvProblem problem = problemOf(layer, batch);
    Case c(*device, problem, math);
    const double flops = 2.0 * static_cast<double>(problem.pixels() * problem.outChannels) *
                         static_cast<double>(problem.depth());
    const std::string name =
        fmt::format("{}x{}x{} -> {} {}x{}/{}", layer.size, layer.width, layer.ci, layer.co,
                    layer.kernel, layer.kernel, layer.stride);
    std::string line;
    double bestOfAll = 1e9;
    for (const ConvFamily& family : families) {
      auto cuts = convCuts(family, ChunkedConv(problem, family).problem, multiprocessors);
      if (cuts.empty()) continue;
      if (cuts.size() > most) cuts.resize(most);
      double best = 1e9;
      std::size_t rank = 0;
      double second = 1e9;
      for (std::size_t i = 0; i < cuts.size(); ++i) {
        const auto& [cut, guess] = cuts[i];
        auto [seconds, error] = c.measure(executor, cut, 6);
        if (!(error <= (math == ConvMath::kBytes ? 0 : 4e-3)))
          fmt::print("WRONG {:.2g} {} {}\n", error, name, cut.text());
        if (all)
          fmt::print("  {} {} {} {:.2f} {:.2f}\n", name, static_cast<int>(family.unit), cut.text(),
                     seconds * 1e6, guess * 1e6);
        if (i < 8) second = std::min(second, seconds);
        if (seconds < best) best = seconds, rank = i;
      }
      totals[static_cast<int>(family.unit)] += second * layer.count;
      bestOfAll = std::min(bestOfAll, best);
      line += fmt::format(" | {:8.2f} us {:4.0f} T/s #{:<2} {}", best * 1e6, flops / best * 1e-12,
                          rank, cuts[rank].first.text());
    }
    if (const std::optional<PooledConv> pooled = c.pooled();
        pooled && !families.empty() && families.back().unit == ConvUnit::kPatch &&
        stripConvWorks(*device, math)) {
      // Groups that share the depth have other bits.
      for (const auto& [cut, guess] :
           convCuts(families.back(), ChunkedConv(problem, families.back()).problem, 1))
        if (cut.splits == 1) {
          c.measure(executor, cut, 1);
          break;
        }
      auto cuts = stripCuts(*pooled, multiprocessors);
      if (cuts.size() > most) cuts.resize(most);
      double best = 1e9;
      std::string bestCut;
      for (const auto& [cut, guess] : cuts) {
        auto [seconds, wrong] = c.measurePooled(executor, *pooled, cut, 6);
        if (wrong > 0) fmt::print("WRONG {:.2g} {} {}\n", wrong, name, cut.text());
        if (all)
          fmt::print("  {} max {} {:.2f} {:.2f}\n", name, cut.text(), seconds * 1e6, guess * 1e6);
        if (seconds < best) best = seconds, bestCut = cut.text();
      }
      line += fmt::format(" | max {:8.2f} us {}", best * 1e6, bestCut);
    }
    bestTotal += bestOfAll * layer.count;
    fmt::print("{:>2} {:24}{}\n", layer.count, name, line);
  }
  fmt::print("total of the best {:.1f} us; of the best of 8 by the cost model", bestTotal * 1e6);
  for (auto& [unit, seconds] : totals) fmt::print(" {:.1f}", seconds * 1e6);
  fmt::print("\n");
  return 0;
}

}  // namespace
}  // namespace layerwise::opencl

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() >= 3) return layerwise::opencl::work(words);
    fmt::print(
        stderr,
        "cl_conv_bench int8|fp16|tf32|fp32 NETWORK[:LAYER] BATCH [DEVICE] [CUTS] [FAMILY]\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  return 1;
}
