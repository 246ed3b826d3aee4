// Convolutions on tile registers on the layers of known networks: GFLOP/s and share of what a loop
// of products without loads reaches in the same run, for each candidate and some sizes of strips.
// Before each run the weights are pushed out of the private caches and the tensors are drawn into
// them as far as they fit: that is how a layer in the midst of a network finds them.
//
//   amx_bench [network] [threads] [bfloat16|uint8] [rounds]
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/simd/amx.h"
#include "bench/conv_layers.h"
#include "bench/workers.h"

namespace layerwise::cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

// What a unit of the library that may hold vector instructions would name here.
struct NoVector {};

double productsPeak(bool bytes, Workers& workers) {
  constexpr int kLoops = 20000;
  double best = 1e9;
  for (int round = 0; round < 20; ++round) {
    const double start = seconds();
    workers.run(workers.count(), [&](int, int64_t) {
      AmxTiles<NoVector> tiles;
      TileShapes shapes;
      for (TileShape& s : shapes.tile) s = {kTileRows, kTileRowBytes};
      tiles.configure(shapes);
      for (int i = 0; i < kLoops; ++i) {
        if (bytes) {
          tiles.dotBytes<0, 4, 6>(), tiles.dotBytes<1, 4, 7>();
          tiles.dotBytes<2, 5, 6>(), tiles.dotBytes<3, 5, 7>();
        } else {
          tiles.dotBFloat16<0, 4, 6>(), tiles.dotBFloat16<1, 4, 7>();
          tiles.dotBFloat16<2, 5, 6>(), tiles.dotBFloat16<3, 5, 7>();
        }
      }
      tiles.release();
    });
    best = std::min(best, seconds() - start);
  }
  return 1e-9 * 4 * kLoops * 2 * 16 * 16 * (bytes ? 64 : 32) * workers.count() / best;
}

struct Contender {
  std::string name;
  AmxConvolution bound;
  std::byte* packed;
  std::vector<std::byte*> scratch;
  double best = 1e9;
};

std::byte* allocateBytes(int64_t bytes) {
  return reinterpret_cast<std::byte*>(allocate(bytes / 4 + 16));
}

Contender makeContender(const ConvShape& s, const AmxConfig& c, Workers& workers) {
  Epilogue relu;
  relu.activation = Activation::kClip;
  relu.beta = 1e30f;
  Conversion conversion;
  conversion.output = conversion.residual = c.element;
  const View in =
      c.method == AmxMethod::kPlanes ? channelsFirst(s.h, s.w, s.ci) : channelsLast(s.h, s.w, s.ci);
  const View out = channelsLast(s.outH(), s.outW(), s.co);
  Contender contender{
      fmt::format("{} strip {}", amxMethodName(c.method), c.stripBytes),
      bindAmxConv(s, c, conversion, in, out, out, relu, workers.count(), {48 << 10, 2 << 20}),
      allocateBytes(static_cast<int64_t>(amxPackedBytes(s, c))),
      {}};
  const auto weights = static_cast<size_t>(s.co * s.ci * s.kh * s.kw);
  if (c.element == Element::kUInt8) {
    const std::vector<int8_t> values(weights, 3);
    const std::vector<float> scales(static_cast<size_t>(s.co), 1e-3f);
    packAmxBytes(s, c, values.data(), scales.data(), nullptr, 3, contender.packed);
  } else {
    packAmxFloat(s, c, std::vector<float>(weights, 0.01f).data(), nullptr, contender.packed);
  }
  for (int i = 0; i < workers.count(); ++i)
    contender.scratch.push_back(allocateBytes(contender.bound.plan.scratchBytes));
  return contender;
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
  const double peak = productsPeak(bytes, workers);
  fmt::print("{} threads {}: products alone {:.1f} GFLOP/s\n", type, threads, peak);
  constexpr int64_t kOtherBytes = 6 << 20;
  std::vector<std::byte*> other;
  for (int i = 0; i < threads; ++i) other.push_back(allocateBytes(kOtherBytes));
  volatile int64_t sink = 0;
  std::map<std::string, std::pair<double, double>> totals;
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
        contenders.push_back(makeContender(s, c, workers));
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
        workers.run(c.bound.plan.tiles, [&](int worker, int64_t t) {
          kAmxConvKernel(c.bound.plan, {in, c.packed, c.bound.offsets.data(), nullptr, out}, t,
                         c.scratch[static_cast<size_t>(worker)]);
        });
        c.best = std::min(c.best, seconds() - start);
      }
    }
    fmt::print("{} x{} {}x{} {}->{} k{} s{}\n", layer.network, layer.count, s.h, s.w, s.ci, s.co,
               layer.kernel, layer.stride);
    double best = 1e9;
    for (const Contender& c : contenders) {
      const double gflops = 2e-9 * static_cast<double>(s.macs()) / c.best;
      fmt::print("    {:24} {:4} units {:8.1f} us {:7.1f} GFLOP/s {:5.1f} %\n", c.name,
                 c.bound.plan.tiles, c.best * 1e6, gflops, 100 * gflops / peak);
      best = std::min(best, c.best);
    }
    auto& [time, work] = totals[layer.network];
    time += layer.count * best;
    work += layer.count * 2e-9 * static_cast<double>(s.macs());
    std::fflush(stdout);
  }
  for (const auto& [name, sums] : totals) {
    fmt::print("{} {}: {:.3f} ms, {:.1f} GFLOP/s, {:.1f} % of {:.1f}\n", name, type,
               sums.first * 1e3, sums.second / sums.first, 100 * sums.second / sums.first / peak,
               peak);
  }
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
