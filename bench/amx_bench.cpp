// Convolutions on tile registers on the layers of known networks: GFLOP/s and share of what a loop
// of products without loads reaches in the same run, for each candidate and some sizes of strips.
// Before each run the weights are pushed out of the private caches and the tensors are drawn into
// them as far as they fit: that is how a layer in the midst of a network finds them.
//
//   amx_bench [network] [threads] [bfloat16|uint8] [rounds]
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernel_table.h"
#include "bench/contest.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

// A kernel ready to run.
struct Prepared {
  AmxConvolution bound;
  std::byte* packed;
  std::vector<std::byte*> scratch;
};

std::byte* allocateBytes(int64_t bytes) {
  return reinterpret_cast<std::byte*>(allocate(bytes / 4 + 16));
}

Prepared prepare(const ConvShape& s, const AmxConfig& c, Workers& workers) {
  Epilogue relu;
  relu.activation = Activation::kClip;
  relu.beta = 1e30f;
  Conversion conversion;
  conversion.output = conversion.residual = c.element;
  const View in =
      c.method == AmxMethod::kPlanes ? channelsFirst(s.h, s.w, s.ci) : channelsLast(s.h, s.w, s.ci);
  const View out = channelsLast(s.outH(), s.outW(), s.co);
  Prepared p{
      bindAmxConv(s, c, conversion, in, out, out, relu, workers.count(), {48 << 10, 2 << 20}),
      allocateBytes(static_cast<int64_t>(amxPackedBytes(s, c))),
      {}};
  const auto weights = static_cast<size_t>(s.co * s.ci * s.kh * s.kw);
  if (c.element == Element::kUInt8) {
    const std::vector<int8_t> values(weights, 3);
    const std::vector<float> scales(static_cast<size_t>(s.co), 1e-3f);
    packAmxBytes(s, c, values.data(), scales.data(), nullptr, 3, p.packed);
  } else {
    packAmxFloat(s, c, std::vector<float>(weights, 0.01f).data(), nullptr, p.packed);
  }
  for (int i = 0; i < workers.count(); ++i)
    p.scratch.push_back(allocateBytes(p.bound.plan.scratchBytes));
  return p;
}

int64_t touch(const std::byte* p, int64_t bytes) {
  int64_t sum = 0;
  for (int64_t i = 0; i < bytes; i += 64) sum += static_cast<int64_t>(p[i]);
  return sum;
}

int runAll(const std::string& network, int threads, Element element, int rounds) {
  Workers workers(threads);
  const bool bytes = element == Element::kUInt8;
  const char* type = bytes ? "uint8" : "bfloat16";
  const double peak = peakRate(peakOf(element, selectedCpu()), workers);
  fmt::print("{} threads {}: products alone {:.1f} GFLOP/s\n", type, threads, peak);
  constexpr int64_t kOtherBytes = 6 << 20;
  std::vector<std::byte*> other;
  for (int i = 0; i < threads; ++i) other.push_back(allocateBytes(kOtherBytes));
  volatile int64_t sink = 0;
  Contest contest(peak);
  for (const Layer& layer : kLayers) {
    if ((network != "all" && network != layer.network) || layer.groups > 1) continue;
    const ConvShape s = shapeOf(layer);
    const AmxConfig planes{AmxMethod::kPlanes, element};
    const bool image = s.ci <= 4 && amxSupports(s, planes);
    const int64_t inBytes = s.n * s.h * s.w * s.ci * (image ? 4 : elementBytes(element));
    const std::byte* in = allocateBytes(inBytes);
    const int64_t outBytes = s.n * s.outH() * s.outW() * s.co * elementBytes(element);
    std::byte* out = allocateBytes(outBytes);
    std::vector<Contender> contenders;
    std::vector<AmxConfig> configs = amxCandidates(s, element);
    if (image) configs.push_back(planes);
    for (AmxConfig c : configs) {
      for (int64_t strip : {0, 1 << 17, 1 << 16}) {
        if (strip && inBytes <= strip) continue;
        c.stripBytes = strip;
        Prepared p = prepare(s, c, workers);
        contenders.push_back(
            {fmt::format("{} strip {}, {} units", amxMethodName(c.method), c.stripBytes,
                         p.bound.plan.tiles),
             [=, &workers] {
               workers.run(p.bound.plan.tiles, [&](int worker, int64_t t) {
                 kAmxConvKernel(p.bound.plan, {in, p.packed, p.bound.offsets.data(), nullptr, out},
                                t, p.scratch[static_cast<size_t>(worker)]);
               });
             }});
      }
    }
    for (int round = 0; round < rounds; ++round) {
      for (Contender& c : contenders) {
        workers.run(threads, [&](int, int64_t w) {
          const auto index = static_cast<size_t>(w);
          sink = touch(other[index], kOtherBytes);
          sink = touch(in + inBytes / threads * w, inBytes / threads);
          std::memset(out + outBytes / threads * w, 0, static_cast<size_t>(outBytes / threads));
        });
        const double start = seconds();
        c.run();
        c.best = std::min(c.best, seconds() - start);
      }
    }
    contest.report(layer, s, contenders, contenders.size());
  }
  contest.summary();
  return 0;
}

}  // namespace
}  // namespace layerwise::cpu

int main(int argc, char** argv) {
  using namespace layerwise;
  const std::string network = argc > 1 ? argv[1] : "all";
  const bool bytes = argc > 3 && !std::strcmp(argv[3], "uint8");
  const cpu::CpuFeatures& features = cpu::cpuFeatures();
  if (!features.amxTile || !features.amxInt8 || !features.amxBf16) {
    fmt::print("this machine has no tile registers for bytes and bfloat16\n");
    return 1;
  }
  return cpu::runAll(network, argc > 2 ? std::atoi(argv[2]) : 1,
                     bytes ? cpu::Element::kUInt8 : cpu::Element::kBFloat16,
                     argc > 4 ? std::atoi(argv[4]) : 7);
}
