// Convolution kernels on the layers of known networks: effective GFLOP/s and share of the machine's
// measured FMA peak for each candidate configuration, beside oneDNN where it was found. All runs of
// a layer are interleaved and the minimum of each is kept, so that the load of the machine meets
// all of them alike.
//
//   conv_bench [network] [threads] [isa] [rounds]
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "backends/cpu/kernel_table.h"

#ifdef LAYERWISE_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace layerwise::cpu {
namespace {

struct Layer {
  const char* network;
  int count;  // how often the network has it
  int64_t size, ci, co, kernel, stride, groups;
  int64_t width = size;
};

// Size is the input's height, and its width where none is given. ResNet-50 is torchvision's; YOLOv5s is v6 at 640x640.
constexpr Layer kLayers[] = {
    {"resnet50", 1, 224, 3, 64, 7, 2, 1},        {"resnet50", 1, 56, 64, 64, 1, 1, 1},
    {"resnet50", 3, 56, 64, 64, 3, 1, 1},        {"resnet50", 4, 56, 64, 256, 1, 1, 1},
    {"resnet50", 2, 56, 256, 64, 1, 1, 1},       {"resnet50", 1, 56, 256, 128, 1, 1, 1},
    {"resnet50", 1, 56, 128, 128, 3, 2, 1},      {"resnet50", 4, 28, 128, 512, 1, 1, 1},
    {"resnet50", 1, 56, 256, 512, 1, 2, 1},      {"resnet50", 3, 28, 512, 128, 1, 1, 1},
    {"resnet50", 3, 28, 128, 128, 3, 1, 1},      {"resnet50", 1, 28, 512, 256, 1, 1, 1},
    {"resnet50", 1, 28, 256, 256, 3, 2, 1},      {"resnet50", 6, 14, 256, 1024, 1, 1, 1},
    {"resnet50", 1, 28, 512, 1024, 1, 2, 1},     {"resnet50", 5, 14, 1024, 256, 1, 1, 1},
    {"resnet50", 5, 14, 256, 256, 3, 1, 1},      {"resnet50", 1, 14, 1024, 512, 1, 1, 1},
    {"resnet50", 1, 14, 512, 512, 3, 2, 1},      {"resnet50", 3, 7, 512, 2048, 1, 1, 1},
    {"resnet50", 1, 14, 1024, 2048, 1, 2, 1},    {"resnet50", 2, 7, 2048, 512, 1, 1, 1},
    {"resnet50", 2, 7, 512, 512, 3, 1, 1},       {"resnet50", 1, 1, 2048, 1000, 1, 1, 1},

    {"yolov5s", 1, 640, 3, 32, 6, 2, 1},         {"yolov5s", 1, 320, 32, 64, 3, 2, 1},
    {"yolov5s", 2, 160, 64, 32, 1, 1, 1},        {"yolov5s", 1, 160, 32, 32, 1, 1, 1},
    {"yolov5s", 1, 160, 32, 32, 3, 1, 1},        {"yolov5s", 1, 160, 64, 64, 1, 1, 1},
    {"yolov5s", 1, 160, 64, 128, 3, 2, 1},       {"yolov5s", 2, 80, 128, 64, 1, 1, 1},
    {"yolov5s", 3, 80, 64, 64, 1, 1, 1},         {"yolov5s", 3, 80, 64, 64, 3, 1, 1},
    {"yolov5s", 2, 80, 128, 128, 1, 1, 1},       {"yolov5s", 1, 80, 128, 256, 3, 2, 1},
    {"yolov5s", 2, 40, 256, 128, 1, 1, 1},       {"yolov5s", 5, 40, 128, 128, 1, 1, 1},
    {"yolov5s", 5, 40, 128, 128, 3, 1, 1},       {"yolov5s", 3, 40, 256, 256, 1, 1, 1},
    {"yolov5s", 1, 40, 256, 512, 3, 2, 1},       {"yolov5s", 3, 20, 512, 256, 1, 1, 1},
    {"yolov5s", 2, 20, 256, 256, 1, 1, 1},       {"yolov5s", 2, 20, 256, 256, 3, 1, 1},
    {"yolov5s", 3, 20, 512, 512, 1, 1, 1},       {"yolov5s", 1, 20, 1024, 512, 1, 1, 1},
    {"yolov5s", 2, 40, 512, 128, 1, 1, 1},       {"yolov5s", 2, 80, 256, 64, 1, 1, 1},
    {"yolov5s", 1, 80, 128, 128, 3, 2, 1},       {"yolov5s", 1, 40, 256, 256, 3, 2, 1},
    {"yolov5s", 1, 80, 128, 255, 1, 1, 1},       {"yolov5s", 1, 40, 256, 255, 1, 1, 1},
    {"yolov5s", 1, 20, 512, 255, 1, 1, 1},

    {"resnet18", 1, 224, 3, 64, 7, 2, 1},        {"resnet18", 4, 56, 64, 64, 3, 1, 1},
    {"resnet18", 1, 56, 64, 128, 3, 2, 1},       {"resnet18", 3, 28, 128, 128, 3, 1, 1},
    {"resnet18", 1, 28, 128, 256, 3, 2, 1},      {"resnet18", 3, 14, 256, 256, 3, 1, 1},
    {"resnet18", 1, 14, 256, 512, 3, 2, 1},      {"resnet18", 3, 7, 512, 512, 3, 1, 1},

    {"lane", 1, 288, 3, 64, 7, 2, 1, 800},       {"lane", 4, 72, 64, 64, 3, 1, 1, 200},
    {"lane", 1, 72, 64, 128, 3, 2, 1, 200},      {"lane", 3, 36, 128, 128, 3, 1, 1, 100},
    {"lane", 1, 36, 128, 256, 3, 2, 1, 100},     {"lane", 3, 18, 256, 256, 3, 1, 1, 50},
    {"lane", 1, 18, 256, 512, 3, 2, 1, 50},      {"lane", 3, 9, 512, 512, 3, 1, 1, 25},

    {"mobilenetv2", 1, 224, 3, 32, 3, 2, 1},     {"mobilenetv2", 1, 112, 32, 32, 3, 1, 32},
    {"mobilenetv2", 1, 112, 32, 16, 1, 1, 1},    {"mobilenetv2", 1, 112, 16, 96, 1, 1, 1},
    {"mobilenetv2", 1, 112, 96, 96, 3, 2, 96},   {"mobilenetv2", 1, 56, 96, 24, 1, 1, 1},
    {"mobilenetv2", 2, 56, 24, 144, 1, 1, 1},    {"mobilenetv2", 1, 56, 144, 144, 3, 1, 144},
    {"mobilenetv2", 1, 56, 144, 24, 1, 1, 1},    {"mobilenetv2", 1, 56, 144, 144, 3, 2, 144},
    {"mobilenetv2", 3, 28, 32, 192, 1, 1, 1},    {"mobilenetv2", 2, 28, 192, 192, 3, 1, 192},
    {"mobilenetv2", 2, 28, 192, 32, 1, 1, 1},    {"mobilenetv2", 4, 14, 64, 384, 1, 1, 1},
    {"mobilenetv2", 4, 14, 384, 384, 3, 1, 384}, {"mobilenetv2", 3, 14, 384, 64, 1, 1, 1},
    {"mobilenetv2", 3, 14, 96, 576, 1, 1, 1},    {"mobilenetv2", 2, 14, 576, 576, 3, 1, 576},
    {"mobilenetv2", 3, 7, 160, 960, 1, 1, 1},    {"mobilenetv2", 3, 7, 960, 960, 3, 1, 960},
    {"mobilenetv2", 2, 7, 960, 160, 1, 1, 1},    {"mobilenetv2", 1, 7, 320, 1280, 1, 1, 1},

    {"resnext50", 3, 56, 128, 128, 3, 1, 32},    {"resnext50", 3, 28, 256, 256, 3, 1, 32},
    {"resnext50", 5, 14, 512, 512, 3, 1, 32},    {"resnext50", 2, 7, 1024, 1024, 3, 1, 32},
};

ConvShape shapeOf(const Layer& l) {
  ConvShape s;
  s.h = l.size;
  s.w = l.width;
  s.ci = l.ci;
  s.co = l.co;
  s.kh = s.kw = l.kernel;
  s.sh = s.sw = l.stride;
  s.pt = s.pl = s.pb = s.pr = l.kernel == 6 ? 2 : l.kernel / 2;
  s.groups = l.groups;
  return s;
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

float* allocate(int64_t floats) {
  const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) / 64 + 4) * 64;
  float* p = static_cast<float*>(std::aligned_alloc(64, bytes));
  for (size_t i = 0; i < bytes / sizeof(float); ++i) p[i] = static_cast<float>(i % 13) * 0.01f;
  return p;
}

// Spinning workers, so that what is timed is the kernels and not the waking of threads.
class Workers {
 public:
  explicit Workers(int count) {
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, i] { loop(i); });
  }
  ~Workers() {
    stop_ = true;
    ++epoch_;
    for (std::thread& t : threads_) t.join();
  }
  int count() const { return static_cast<int>(threads_.size()) + 1; }
  template <class F>
  void run(int64_t tiles, const F& body) {
    work_ = [&body, tiles, this](int worker) {
      for (int64_t t; (t = next_.fetch_add(1)) < tiles;) body(worker, t);
    };
    next_ = 0;
    done_ = 0;
    ++epoch_;
    work_(0);
    while (done_ < static_cast<int>(threads_.size())) __builtin_ia32_pause();
  }

 private:
  void loop(int worker) {
    int seen = 0;
    while (true) {
      while (epoch_ == seen) __builtin_ia32_pause();
      seen = epoch_;
      if (stop_) return;
      work_(worker);
      ++done_;
    }
  }
  std::vector<std::thread> threads_;
  std::function<void(int)> work_;
  std::atomic<int64_t> next_{0};
  std::atomic<int> epoch_{0}, done_{0};
  std::atomic<bool> stop_{false};
};

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

struct Contender {
  std::string name;
  std::function<void()> run;
  double best = 1e9;
};

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

#ifdef LAYERWISE_BENCH_ONEDNN
Contender makeOneDnn(const ConvShape& s) {
  using namespace dnnl;
  using Tag = memory::format_tag;
  static engine cpu(engine::kind::cpu, 0);
  static stream queue(cpu);
  const bool grouped = s.groups > 1;
  const memory::dims inDims{s.n, s.ci, s.h, s.w}, outDims{s.n, s.co, s.outH(), s.outW()};
  const memory::dims weightDims =
      grouped ? memory::dims{s.groups, s.co / s.groups, s.ci / s.groups, s.kh, s.kw}
              : memory::dims{s.co, s.ci, s.kh, s.kw};
  const auto any = [](const memory::dims& d) {
    return memory::desc(d, memory::data_type::f32, Tag::any);
  };
  const convolution_forward::desc desc(prop_kind::forward_inference, algorithm::convolution_auto,
                                       any(inDims), any(weightDims),
                                       memory::desc({s.co}, memory::data_type::f32, Tag::x),
                                       any(outDims), {s.sh, s.sw}, {s.pt, s.pl}, {s.pb, s.pr});
  post_ops ops;
  ops.append_eltwise(1.0f, algorithm::eltwise_relu, 0.0f, 0.0f);
  primitive_attr attributes;
  attributes.set_post_ops(ops);
  const convolution_forward::primitive_desc primitive(desc, attributes, cpu);
  const auto make = [&](const memory::desc& d) {
    return memory(d, cpu, allocate(static_cast<int64_t>(d.get_size() / 4)));
  };
  const std::unordered_map<int, memory> args{{DNNL_ARG_SRC, make(primitive.src_desc())},
                                             {DNNL_ARG_WEIGHTS, make(primitive.weights_desc())},
                                             {DNNL_ARG_BIAS, make(primitive.bias_desc())},
                                             {DNNL_ARG_DST, make(primitive.dst_desc())}};
  const convolution_forward conv(primitive);
  return {fmt::format("onednn {}", primitive.impl_info_str()), [=] {
            conv.execute(queue, args);
            queue.wait();
          }};
}
#endif

int runAll(const std::string& network, int threads, Isa isa, int rounds) {
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
    contenders.push_back(makeOneDnn(s));
#endif
    for (int round = 0; round < rounds; ++round) {
      for (Contender& c : contenders) {
        const int repeats = s.macs() < 50'000'000 ? 5 : 1;
        c.run();
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
  return runAll(network, threads, isa, argc > 4 ? std::atoi(argv[4]) : 5);
}
