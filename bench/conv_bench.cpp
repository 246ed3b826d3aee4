// Convolution kernels on the layers of known networks: effective GFLOP/s and share of the machine's
// measured FMA peak for each candidate configuration, beside oneDNN where it was found. All runs of
// a layer are interleaved and the minimum of each is kept, so that the load of the machine meets
// all of them alike.
//
//   conv_bench [network] [threads] [isa] [rounds] [cold]
//
// cold: everything comes from memory, as the weights of a large network do at every run.
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "bench/contender.h"
#include "bench/conv_layers.h"
#include "bench/workers.h"

namespace layerwise::cpu {
namespace {

// The fastest that the microkernel goes with everything in the first-level cache stands for the FMA
// peak.
double measurePeak(Isa isa, Workers& workers) {
  ConvShape s;
  s.h = 1;
  s.w = 14 * 3;
  s.ci = 128;
  s.co = 32;
  ConvConfig c = convCandidates(s, isa).front();
  const View in = channelsLast(1, s.w, s.ci), out = channelsLast(1, s.w, s.co);
  const ConvPlan plan = bindConv(s, c, in, out, out, {}, 1);
  float* packed = allocate(convPackedFloats(s, c));
  std::vector<float*> ins, outs, scratch;
  for (int i = 0; i < workers.count(); ++i) {
    ins.push_back(allocate(s.w * s.ci));
    outs.push_back(allocate(s.w * s.co));
    scratch.push_back(allocate(plan.scratchFloats));
  }
  const ConvKernel kernel = kernels(isa).convolution(c.method);
  constexpr int kRepeats = 300;
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    const double start = seconds();
    workers.run(workers.count(), [&](int, int64_t w) {
      for (int r = 0; r < kRepeats; ++r)
        kernel(plan, {ins[w], packed, nullptr, outs[w]}, 0, scratch[w]);
    });
    best = std::min(best, seconds() - start);
  }
  return 2e-9 * s.macs() * kRepeats * workers.count() / best;
}

Contender makeOurs(const ConvShape& s, const ConvConfig& c, Isa isa, Workers& workers,
                   const float* weights, const float* in, float* out) {
  const View inView = channelsLast(s.h, s.w, s.ci),
             outView = channelsLast(s.outH(), s.outW(), s.co);
  Epilogue relu;
  relu.activation = Activation::kClip;
  relu.beta = 1e30f;
  const ConvPlan plan = bindConv(s, c, inView, outView, outView, relu, workers.count());
  float* packed = allocate(convPackedFloats(s, c));
  packConv(s, c, weights, nullptr, packed);
  std::vector<float*> scratch;
  for (int i = 0; i < workers.count(); ++i) scratch.push_back(allocate(plan.scratchFloats));
  const ConvKernel kernel = kernels(isa).convolution(c.method);
  const std::string name =
      fmt::format("{} {}x{}{}{}", convMethodName(c.method), c.pixels, c.vectors,
                  c.twoRows ? " two rows" : "", c.copyInput ? " copied" : "");
  return {name, [=, &workers] {
            workers.run(plan.tiles, [&](int w, int64_t t) {
              kernel(plan, {in, packed, nullptr, out}, t, scratch[w]);
            });
          }};
}

int runAll(const std::string& network, int threads, Isa isa, int rounds, bool cold) {
  constexpr int64_t kPollution = 16 << 20;  // floats: more than a share of any last cache
  float* const polluter = cold ? allocate(kPollution) : nullptr;
  Workers workers(threads);
  const double peak = measurePeak(isa, workers);
  fmt::print("{} threads {}: FMA peak {:.1f} GFLOP/s\n", isaName(isa), threads, peak);
  std::map<std::string, std::pair<double, double>> totals;
  for (const Layer& layer : kLayers) {
    if (network != "all" && network != layer.network) continue;
    const ConvShape s = shapeOf(layer);
    const float* weights = allocate(s.co * s.ci / s.groups * s.kh * s.kw);
    const float* in = allocate(s.n * s.h * s.w * s.ci);
    float* out = allocate(s.n * s.outH() * s.outW() * s.co);
    std::vector<Contender> contenders;
    for (const ConvConfig& c : convCandidates(s, isa)) {
      contenders.push_back(makeOurs(s, c, isa, workers, weights, in, out));
    }
    const size_t ours = contenders.size();
#ifdef LAYERWISE_BENCH_ONEDNN
    contenders.push_back(makeOneDnn(s, Element::kFloat32));
#endif
    for (int round = 0; round < rounds; ++round) {
      for (Contender& c : contenders) {
        const int repeats = s.macs() < 50'000'000 && !cold ? 5 : 1;
        c.run();
        if (cold) std::fill_n(polluter, kPollution, static_cast<float>(round));
        const double start = seconds();
        for (int i = 0; i < repeats; ++i) c.run();
        c.best = std::min(c.best, (seconds() - start) / repeats);
      }
    }
    fmt::print("{} x{} {}x{} {}->{} k{} s{} g{}\n", layer.network, layer.count, layer.size,
               layer.width, layer.ci, layer.co, layer.kernel, layer.stride, layer.groups);
    double bestOurs = 1e9;
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Contender& c = contenders[i];
      const double gflops = 2e-9 * s.macs() / c.best;
      fmt::print("    {:40} {:9.1f} us {:7.1f} GFLOP/s {:5.1f} %\n", c.name, c.best * 1e6, gflops,
                 100 * gflops / peak);
      if (i < ours) bestOurs = std::min(bestOurs, c.best);
    }
    auto& [sumOurs, sumTheirs] = totals[layer.network];
    sumOurs += layer.count * bestOurs;
    if (contenders.size() > ours) sumTheirs += layer.count * contenders.back().best;
    std::fflush(stdout);
  }
  for (const auto& [name, sums] : totals) {
    fmt::print("{}: best of ours {:.3f} ms, onednn {:.3f} ms, ratio {:.2f}\n", name,
               sums.first * 1e3, sums.second * 1e3, sums.second / sums.first);
  }
  return 0;
}

}  // namespace
}  // namespace layerwise::cpu

int main(int argc, char** argv) {
  using namespace layerwise::cpu;
  const std::string network = argc > 1 ? argv[1] : "all";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const Isa isa = argc > 3 ? parseCpu(argv[3]).isa : selectedIsa();
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 5;
  return runAll(network, threads, isa, rounds, argc > 5 && argv[5] == std::string("cold"));
}
