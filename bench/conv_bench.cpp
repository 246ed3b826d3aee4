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
#include <string>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "bench/contest.h"

namespace layerwise::cpu {
namespace {

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
  const double peak = peakRate(kernels(isa).tensor->peak, workers);
  fmt::print("{} threads {}: FMA peak {:.1f} GFLOP/s\n", isaName(isa), threads, peak);
  Contest contest(peak);
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
    contest.report(layer, s, contenders, ours);
  }
  contest.summary();
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
