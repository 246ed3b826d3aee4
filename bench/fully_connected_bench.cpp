// Fully connected layers whose weights lie in memory: bfloat16 beside bytes with scales
// (weight-only quantisation), GB/s and the median of interleaved rounds. Copies of small layers are
// used in turn, so that none is in a cache.
//
//   fully_connected_bench [INPUTS OUTPUTS [ROWS [threads [rounds [cpu]]]]]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/weight_memory.h"
#include "backends/cpu/weight_only.h"
#include "bench/workers.h"

namespace layerwise::cpu {
namespace {

struct Contestant {
  std::string name;
  double bytes = 0;
  std::vector<WeightMemory> copies;
  std::function<void(const std::byte* packed)> run;
  std::vector<double> times;
};

int compare(std::int64_t depth, std::int64_t outputs, std::int64_t rows, int threads, int rounds,
            const CpuChoice& cpu) {
  constexpr double kFar = 1600e6;  // bytes, more than the last-level cache's share
  Workers workers(threads);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<std::size_t>(depth * outputs)),
      bias(static_cast<std::size_t>(outputs)), in(static_cast<std::size_t>(depth * rows + 16)),
      out(static_cast<std::size_t>(outputs * rows + 16));
  for (float& w : weights) w = normal(random);
  for (float& x : in) x = normal(random);
  std::vector<std::uint16_t> shortIn(in.size());
  for (std::size_t i = 0; i < in.size(); ++i)
    shortIn[i] = static_cast<std::uint16_t>(reinterpret_cast<const std::uint32_t&>(in[i]) >> 16);
  std::vector<Contestant> all;
  const auto copyFar = [&](Contestant& c, const WeightMemory& packed, double packing) {
    c.bytes = static_cast<double>(packed.size());
    c.copies.push_back(packed);
    while (c.bytes * static_cast<double>(c.copies.size()) < kFar) {
      c.copies.emplace_back(packed.size());
      std::copy_n(packed.data(), packed.size(), c.copies.back().data());
    }
    fmt::print("{}: {:.1f} MB, packed in {:.1f} ms\n", c.name, 1e-6 * c.bytes, 1e3 * packing);
  };

  ConvShape shape;
  shape.w = rows, shape.ci = depth, shape.co = outputs;
  const TypedConvKernels& typed = typedConvKernels(Element::kBFloat16, cpu);
  const auto configs = typedConvCandidates(shape, Element::kBFloat16, typed.width, typed.registers);
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(threads));
  for (std::size_t i = 0; i < std::min<std::size_t>(configs.size(), 2); ++i) {
    Contestant& c = all.emplace_back();
    c.name = fmt::format("bf16 vectors={}", configs[i].vectors);
    WeightMemory packed(convPackedFloats(shape, configs[i]) * sizeof(float));
    const double start = seconds();
    packConvBFloat16(shape, configs[i], weights.data(), bias.data(),
                     reinterpret_cast<float*>(packed.data()));
    copyFar(c, packed, seconds() - start);
    const ConvPlan plan = bindConv(shape, configs[i], {0, 0, depth, 1}, {0, 0, outputs, 1}, {}, {},
                                   threads, cacheSizes(), {});
    for (auto& s : scratch)
      s.resize(std::max(s.size(), static_cast<std::size_t>(plan.scratchFloats) + 16));
    c.run = [&, plan](const std::byte* from) {
      const TypedConvBuffers buffers{shortIn.data(), from, nullptr, out.data()};
      workers.run(plan.tiles, [&](int worker, std::int64_t tile) {
        typed.direct(plan, buffers, tile, scratch[static_cast<std::size_t>(worker)].data());
      });
    };
  }

  const WeightOnlyKernels& kernels = weightOnlyKernels(cpu.isa);
  Contestant& c = all.emplace_back();
  c.name = "bytes";
  const std::int64_t panels = WeightOnly::panels(outputs), bytes = WeightOnly::panelBytes(depth);
  WeightMemory packed(static_cast<std::size_t>(panels * bytes));
  double start = seconds();
  const bool fits = kernels.fits(weights.data(), depth, outputs);
  fmt::print("bytes: fit {}, found in {:.1f} ms\n", fits, 1e3 * (seconds() - start));
  const auto outputsOf = [=](std::int64_t panel) {
    return std::min(WeightOnly::kPanelOutputs, outputs - panel * WeightOnly::kPanelOutputs);
  };
  start = seconds();
  for (std::int64_t p = 0; p < panels; ++p)
    kernels.pack(weights.data() + p * WeightOnly::kPanelOutputs * depth, depth, outputsOf(p),
                 reinterpret_cast<std::uint8_t*>(packed.data()) + p * bytes);
  copyFar(c, packed, seconds() - start);
  c.run = [&](const std::byte* from) {
    FullyConnectedPlan plan;
    plan.rows = rows, plan.depth = depth, plan.outputs = outputs;
    workers.run(panels, [&](int, std::int64_t panel) {
      for (std::int64_t row = 0; row < rows;) {
        FullyConnectedRows some{};
        some.count = static_cast<int>(std::min<std::int64_t>(kMaxRows, rows - row));
        for (int i = 0; i < some.count; ++i, ++row) {
          some.in[i] = in.data() + row * depth;
          some.out[i] = out.data() + row * outputs + panel * WeightOnly::kPanelOutputs;
        }
        kernels.run(plan, reinterpret_cast<const std::uint8_t*>(from) + panel * bytes,
                    bias.data() + panel * WeightOnly::kPanelOutputs, outputsOf(panel), some);
      }
    });
  };
  for (int round = 0; round < rounds; ++round)
    for (Contestant& one : all) {
      for (const WeightMemory& copy : one.copies) {
        const double before = seconds();
        one.run(copy.data());
        one.times.push_back(seconds() - before);
      }
    }
  for (Contestant& one : all) {
    std::sort(one.times.begin(), one.times.end());
    const double median = one.times[one.times.size() / 2];
    fmt::print("{:16} {:8.3f} ms {:6.1f} GB/s\n", one.name, 1e3 * median,
               1e-9 * one.bytes / median);
  }
  return 0;
}

}  // namespace
}  // namespace layerwise::cpu

int main(int argc, char** argv) {
  using namespace layerwise::cpu;
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  return compare(number(1, 2048), number(2, 24576), number(3, 1), number(4, 1), number(5, 15),
                 argc > 6 ? parseCpu(argv[6]) : selectedCpu());
}
