// Convolutions of bfloat16 or bytes on the layers of known networks: effective GFLOP/s, and the
// share of what their multiply-adds reach on registers, beside oneDNN where it was found. All runs
// of a layer are interleaved and the minimum of each is kept.
//
//   typed_conv_bench bf16|int8 [network] [threads] [cpu] [rounds]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>

#include "backends/cpu/kernel_table.h"
#include "bench/contest.h"

namespace layerwise::cpu {
namespace {

// As the weights are that calibration gives where this counts.
constexpr bool kPairsFit = true;

struct Choice {
  const TypedConvKernels* kernels;
  ConvConfig config;
};

std::vector<Choice> choices(const ConvShape& s, Element element, const CpuChoice& cpu) {
  std::vector<Choice> all;
  const TypedConvKernels& vectors = typedConvKernels(element, cpu);
  for (const ConvConfig& c : typedConvCandidates(s, element, vectors.width, vectors.registers))
    if (vectors.convolution(c.method, kPairsFit)) all.push_back({&vectors, c});
  return all;
}

// A kernel ready to run, its weights and images filled with something.
struct Prepared {
  ConvPlan plan;
  TypedConvKernel kernel;
  TypedConvBuffers buffers;
  std::vector<float*> scratch;
};

Prepared prepare(const ConvShape& s, const Choice& choice, Element element, int threads) {
  Epilogue relu;
  relu.activation = Activation::kClip;
  relu.beta = 1e30f;
  Conversion conversion;
  conversion.output = element;
  conversion.fitsInteger = true;  // as results do whose scales are of use
  const View in = channelsLast(s.h, s.w, s.ci), out = channelsLast(s.outH(), s.outW(), s.co);
  Prepared p;
  p.plan =
      bindConv(s, choice.config, in, out, out, relu, threads, {32 * 1024, 1024 * 1024}, conversion);
  float* packed = allocate(static_cast<int64_t>(convPackedFloats(s, choice.config)));
  const int64_t count = s.co * s.ci / s.groups * s.kh * s.kw;
  const std::vector<float> scales(static_cast<size_t>(s.co), 0.01f);
  if (element == Element::kUInt8) {
    std::vector<int8_t> weights(static_cast<size_t>(count));
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 25);
    for (int8_t& w : weights) w = static_cast<int8_t>(std::clamp(normal(random), -64.0f, 64.0f));
    packConvBytes(s, choice.config, weights.data(), scales.data(), scales.data(), 3, packed);
  } else {
    const std::vector<float> weights(static_cast<size_t>(count), 0.1f);
    packConvBFloat16(s, choice.config, weights.data(), scales.data(), packed);
  }
  p.kernel = choice.kernels->convolution(choice.config.method, kPairsFit);
  p.buffers = {allocate(s.n * s.h * s.w * s.ci), packed, nullptr,
               allocate(s.n * s.outH() * s.outW() * s.co)};
  for (int i = 0; i < threads; ++i) p.scratch.push_back(allocate(p.plan.scratchFloats));
  return p;
}

int runAll(Element element, const std::string& network, int threads, const CpuChoice& cpu,
           int rounds) {
  Workers workers(threads);
  const double peak = peakRate(typedConvKernels(element, cpu).peak, workers);
  fmt::print("{} threads {}: peak {:.1f} GFLOP/s\n", cpu.name, threads, peak);
  Contest contest(peak);
  for (const Layer& layer : kLayers) {
    if (network != "all" && network != layer.network) continue;
    const ConvShape s = shapeOf(layer);
    std::vector<Contender> contenders;
    for (const Choice& choice : choices(s, element, cpu)) {
      const ConvConfig& c = choice.config;
      contenders.push_back(
          {fmt::format("{} {} {}x{}{}{}", choice.kernels->name, convMethodName(c.method), c.pixels,
                       c.vectors, c.twoRows ? " two rows" : "", c.copyInput ? " copied" : ""),
           [&workers, p = prepare(s, choice, element, threads)] {
             workers.run(p.plan.tiles, [&](int w, int64_t t) {
               p.kernel(p.plan, p.buffers, t, p.scratch[static_cast<size_t>(w)]);
             });
           }});
    }
    const size_t ours = contenders.size();
#ifdef LAYERWISE_BENCH_ONEDNN
    contenders.push_back(makeOneDnn(s, element));
#endif
    for (int round = 0; round < rounds; ++round) {
      for (Contender& c : contenders) {
        const int repeats = s.macs() < 200'000'000 ? 5 : 1;
        c.run();
        const double start = seconds();
        for (int i = 0; i < repeats; ++i) c.run();
        c.best = std::min(c.best, (seconds() - start) / repeats);
      }
    }
    contest.report(layer, s, contenders, ours);
  }
  contest.summary();
  return 0;
}

}  // namespace
}  // namespace layerwise::cpu

int main(int argc, char** argv) {
  using namespace layerwise::cpu;
  const std::string type = argc > 1 ? argv[1] : "int8";
  const std::string network = argc > 2 ? argv[2] : "all";
  const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
  const CpuChoice& cpu = argc > 4 ? parseCpu(argv[4]) : selectedCpu();
  return runAll(type == "bf16" ? Element::kBFloat16 : Element::kUInt8, network, threads, cpu,
                argc > 5 ? std::atoi(argv[5]) : 5);
}
