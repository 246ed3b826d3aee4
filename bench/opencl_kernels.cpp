// Times the NVIDIA convolution kernels of the OpenCL backend one by one on the layers of known
// networks and checks samples of what they compute:  opencl_kernels [--batch 1,8,32] [--math
// 16,19,32] [--net NAME] [--quick] It prints, for each layer, the best tile, its time and rate, and
// for each network the sum.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "backends/opencl/nvidia_conv.h"

using namespace layerwise::opencl;

namespace {

struct Layer {
  const char* net;
  int count, size, ci, co, kernel, stride;
};

const Layer kLayers[] = {{"resnet50", 1, 56, 64, 64, 1, 1},
                         {"resnet50", 3, 56, 64, 64, 3, 1},
                         {"resnet50", 4, 56, 64, 256, 1, 1},
                         {"resnet50", 2, 56, 256, 64, 1, 1},
                         {"resnet50", 1, 56, 256, 128, 1, 1},
                         {"resnet50", 1, 56, 128, 128, 3, 2},
                         {"resnet50", 1, 56, 256, 512, 1, 2},
                         {"resnet50", 4, 28, 128, 512, 1, 1},
                         {"resnet50", 3, 28, 512, 128, 1, 1},
                         {"resnet50", 3, 28, 128, 128, 3, 1},
                         {"resnet50", 1, 28, 512, 256, 1, 1},
                         {"resnet50", 1, 28, 256, 256, 3, 2},
                         {"resnet50", 1, 28, 512, 1024, 1, 2},
                         {"resnet50", 6, 14, 256, 1024, 1, 1},
                         {"resnet50", 5, 14, 1024, 256, 1, 1},
                         {"resnet50", 5, 14, 256, 256, 3, 1},
                         {"resnet50", 1, 14, 1024, 512, 1, 1},
                         {"resnet50", 1, 14, 512, 512, 3, 2},
                         {"resnet50", 1, 14, 1024, 2048, 1, 2},
                         {"resnet50", 3, 7, 512, 2048, 1, 1},
                         {"resnet50", 2, 7, 2048, 512, 1, 1},
                         {"resnet50", 2, 7, 512, 512, 3, 1},
                         {"resnet18", 4, 56, 64, 64, 3, 1},
                         {"resnet18", 1, 56, 64, 128, 3, 2},
                         {"resnet18", 1, 56, 64, 128, 1, 2},
                         {"resnet18", 3, 28, 128, 128, 3, 1},
                         {"resnet18", 1, 28, 128, 256, 3, 2},
                         {"resnet18", 1, 28, 128, 256, 1, 2},
                         {"resnet18", 3, 14, 256, 256, 3, 1},
                         {"resnet18", 1, 14, 256, 512, 3, 2},
                         {"resnet18", 1, 14, 256, 512, 1, 2},
                         {"resnet18", 3, 7, 512, 512, 3, 1},
                         {"yolov5s", 1, 320, 32, 64, 3, 2},
                         {"yolov5s", 1, 160, 64, 64, 1, 1},
                         {"yolov5s", 1, 160, 32, 32, 1, 1},
                         {"yolov5s", 1, 160, 32, 32, 3, 1},
                         {"yolov5s", 1, 160, 64, 64, 1, 1},
                         {"yolov5s", 1, 160, 64, 128, 3, 2},
                         {"yolov5s", 3, 80, 128, 128, 1, 1},
                         {"yolov5s", 3, 80, 64, 64, 1, 1},
                         {"yolov5s", 3, 80, 64, 64, 3, 1},
                         {"yolov5s", 1, 80, 128, 256, 3, 2},
                         {"yolov5s", 4, 40, 256, 256, 1, 1},
                         {"yolov5s", 5, 40, 128, 128, 1, 1},
                         {"yolov5s", 5, 40, 128, 128, 3, 1},
                         {"yolov5s", 1, 40, 256, 512, 3, 2},
                         {"yolov5s", 4, 20, 512, 512, 1, 1},
                         {"yolov5s", 2, 20, 256, 256, 1, 1},
                         {"yolov5s", 2, 20, 256, 256, 3, 1},
                         {"yolov5s", 1, 20, 512, 256, 1, 1},
                         {"yolov5s", 1, 20, 1024, 512, 1, 1},
                         {"yolov5s", 1, 80, 256, 128, 1, 1},
                         {"yolov5s", 1, 80, 128, 128, 3, 2},
                         {"yolov5s", 1, 40, 256, 256, 3, 2},
                         {"yolov5s", 1, 80, 128, 255, 1, 1},
                         {"yolov5s", 1, 40, 256, 255, 1, 1},
                         {"yolov5s", 1, 20, 512, 255, 1, 1},
                         {"mobilenet", 1, 112, 32, 16, 1, 1},
                         {"mobilenet", 1, 112, 16, 96, 1, 1},
                         {"mobilenet", 1, 56, 96, 24, 1, 1},
                         {"mobilenet", 2, 56, 24, 144, 1, 1},
                         {"mobilenet", 1, 56, 144, 24, 1, 1},
                         {"mobilenet", 1, 28, 144, 32, 1, 1},
                         {"mobilenet", 3, 28, 32, 192, 1, 1},
                         {"mobilenet", 2, 28, 192, 32, 1, 1},
                         {"mobilenet", 1, 14, 192, 64, 1, 1},
                         {"mobilenet", 4, 14, 64, 384, 1, 1},
                         {"mobilenet", 3, 14, 384, 64, 1, 1},
                         {"mobilenet", 1, 14, 384, 96, 1, 1},
                         {"mobilenet", 3, 14, 96, 576, 1, 1},
                         {"mobilenet", 2, 14, 576, 96, 1, 1},
                         {"mobilenet", 1, 7, 576, 160, 1, 1},
                         {"mobilenet", 3, 7, 160, 960, 1, 1},
                         {"mobilenet", 2, 7, 960, 160, 1, 1},
                         {"mobilenet", 1, 7, 960, 320, 1, 1},
                         {"mobilenet", 1, 7, 320, 1280, 1, 1},
                         // Odd ones, for correctness.
                         {"odd", 1, 13, 24, 40, 5, 1},
                         {"odd", 1, 17, 8, 21, 3, 2},
                         {"odd", 1, 9, 40, 255, 1, 1},
                         {"odd", 1, 31, 72, 96, 7, 2}};

cl_device_id device;
cl_context context;
cl_command_queue queue;

void check(cl_int code, const char* what) {
  if (code == CL_SUCCESS) return;
  std::printf("%s failed: %d\n", what, code);
  std::exit(1);
}

std::uint16_t toHalf(float f) {
  std::uint32_t x;
  std::memcpy(&x, &f, 4);
  std::uint32_t sign = (x >> 16) & 0x8000, rest = x & 0x7fffffff;
  if (rest < 0x38800000)
    return static_cast<std::uint16_t>(sign);  // the test's values are normal or 0
  rest += 0xfff + ((rest >> 13) & 1);
  return static_cast<std::uint16_t>(sign | ((rest - 0x38000000) >> 13));
}
float fromHalf(std::uint16_t h) {
  int exponent = (h >> 10) & 31, mantissa = h & 1023;
  float value =
      exponent ? std::ldexp(1024.0f + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
  return h & 0x8000 ? -value : value;
}

std::string sourceText;

struct Kernel {
  cl_kernel handle = nullptr;
  std::string error;
};
struct Key {
  ConvTile tile;
  bool pointwise, split;
  int residual;
  std::string text() const {
    return fmt::format("{} {}{}{}{}", tile.name(), static_cast<int>(tile.math), pointwise, split,
                       residual);
  }
};
std::map<std::string, Kernel> kernels;

Kernel compile(const Key& key) {
  std::string text;
  for (const auto& [name, value] : key.tile.defines())
    text += fmt::format("#define {} {}\n", name, value);
  text += fmt::format("#define POINTWISE {:d}\n#define SPLIT {:d}\n#define RESIDUAL {}\n",
                      key.pointwise, key.split, key.residual);
  text += "#define ACTIVATE(x) fmax(x, 0.0f)\n" + sourceText;
  const char* source = text.c_str();
  cl_int code;
  cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, &code);
  Kernel kernel;
  const char* options = std::getenv("OPTIONS");
  code = clBuildProgram(
      program, 1, &device,
      (std::string("-cl-std=CL1.2 -cl-nv-verbose ") + (options ? options : "")).c_str(), nullptr,
      nullptr);
  std::size_t size = 0;
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
  std::string log(size, 0);
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
  if (code) {
    kernel.error = log.substr(0, 3000);
    return kernel;
  }
  if (std::getenv("VERBOSE")) {
    std::size_t at = log.find("Used ");
    std::printf(
        "%s: %s", key.text().c_str(),
        at == std::string::npos ? "?\n" : log.substr(at, log.find('\n', at) - at + 1).c_str());
  }
  kernel.handle = clCreateKernel(program, "convolution", &code);
  check(code, "clCreateKernel");
  return kernel;
}

void compileAll(const std::vector<Key>& keys) {
  std::vector<Kernel> made(keys.size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t)
    threads.emplace_back([&] {
      for (std::size_t i; (i = next++) < keys.size();) made[i] = compile(keys[i]);
    });
  for (auto& t : threads) t.join();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!made[i].handle)
      std::printf("%s does not build: %s\n", keys[i].text().c_str(), made[i].error.c_str());
    kernels[keys[i].text()] = made[i];
  }
}

cl_mem upload(const void* data, std::size_t bytes) {
  cl_int code;
  cl_mem m = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes + 256, nullptr, &code);
  check(code, "clCreateBuffer");
  if (data)
    check(clEnqueueWriteBuffer(queue, m, CL_TRUE, 0, bytes, data, 0, nullptr, nullptr), "write");
  return m;
}

class Problem {
 public:
  Problem(const Layer& l, int batch, ConvMath math) : layer(l), math(math) {
    half = math == ConvMath::kHalf;
    es = half ? 2 : 4;
    pad = l.kernel / 2;
    os = (l.size + 2 * pad - l.kernel) / l.stride + 1;
    depth = l.kernel * l.kernel * l.ci;
    pixels = static_cast<std::int64_t>(batch) * os * os;
    std::mt19937 random(1);
    auto fill = [&](std::vector<float>& v, std::size_t n, float scale) {
      v.resize(n);
      for (float& f : v) {
        f = scale * (static_cast<float>(random() & 0xffff) / 32768.0f - 1.0f);
        if (half) f = fromHalf(toHalf(f));
        if (math == ConvMath::kTf32) {
          std::uint32_t bits;
          std::memcpy(&bits, &f, 4);
          bits &= ~0x1fffu;
          std::memcpy(&f, &bits, 4);
        }
      }
    };
    fill(x, static_cast<std::size_t>(batch) * l.size * l.size * l.ci, 1.0f);
    fill(w, static_cast<std::size_t>(l.co) * depth, 0.1f);
    fill(bias, static_cast<std::size_t>(convWeightRows(l.co)), 1.0f);
    fill(residual, static_cast<std::size_t>(pixels) * l.co, 1.0f);
    int row = convWeightRow(depth, math), rows = convWeightRows(l.co);
    std::vector<float> packed(static_cast<std::size_t>(row) * rows, 0);
    for (int o = 0; o < l.co; ++o)
      std::copy_n(&w[static_cast<std::size_t>(o) * depth], depth,
                  &packed[static_cast<std::size_t>(convWeightPlace(math, o)) * row]);
    in = send(x), weights = send(packed), residualMemory = send(residual);
    biasMemory = upload(bias.data(), bias.size() * 4);
    out = upload(nullptr, static_cast<std::size_t>(pixels) * l.co * es);
  }
  ~Problem() {
    for (cl_mem m : {in, weights, residualMemory, biasMemory, out}) clReleaseMemObject(m);
  }
  cl_mem send(const std::vector<float>& v) {
    if (!half) return upload(v.data(), v.size() * 4);
    std::vector<std::uint16_t> h(v.size());
    std::transform(v.begin(), v.end(), h.begin(), toHalf);
    return upload(h.data(), h.size() * 2);
  }
  double flops() const { return 2.0 * static_cast<double>(pixels) * layer.co * depth; }
  double bytes() const {
    return es * (static_cast<double>(x.size()) + static_cast<double>(w.size()) +
                 static_cast<double>(pixels) * layer.co);
  }

  // The largest error of some samples, relative to the size of the sums.
  double error(int residualPlace) {
    std::vector<float> y(static_cast<std::size_t>(pixels) * layer.co);
    std::vector<std::uint16_t> h(half ? y.size() : 0);
    check(clEnqueueReadBuffer(queue, out, CL_TRUE, 0, y.size() * es,
                              half ? static_cast<void*>(h.data()) : y.data(), 0, nullptr, nullptr),
          "read");
    std::mt19937 random(7);
    double worst = 0;
    for (int sample = 0; sample < 600; ++sample) {
      std::size_t at = random() % y.size();
      if (sample < 40) at = y.size() - 1 - sample;
      int o = static_cast<int>(at % layer.co);
      std::int64_t p = static_cast<std::int64_t>(at / layer.co);
      std::int64_t n = p / (os * os);
      int oy = static_cast<int>(p % (os * os)) / os, ox = static_cast<int>(p % os);
      double sum = bias[o], size = 1;
      for (int ky = 0; ky < layer.kernel; ++ky)
        for (int kx = 0; kx < layer.kernel; ++kx) {
          int iy = oy * layer.stride - pad + ky, ix = ox * layer.stride - pad + kx;
          if (iy < 0 || ix < 0 || iy >= layer.size || ix >= layer.size) continue;
          const float* xp =
              &x[static_cast<std::size_t>((n * layer.size + iy) * layer.size + ix) * layer.ci];
          const float* wp =
              &w[static_cast<std::size_t>(o) * depth + (ky * layer.kernel + kx) * layer.ci];
          for (int c = 0; c < layer.ci; ++c) sum += static_cast<double>(xp[c]) * wp[c];
        }
      if (residualPlace == 1) sum += residual[at];
      sum = std::max(sum, 0.0);
      if (residualPlace == 2) sum += residual[at];
      size = std::max(1.0, std::abs(sum));
      double got = half ? fromHalf(h[at]) : y[at];
      double e = std::abs(got - sum) / size;
      if (!(e <= worst)) worst = e;
    }
    return worst;
  }

  const Layer& layer;
  ConvMath math;
  bool half;
  int es, pad, os, depth;
  std::int64_t pixels;
  std::vector<float> x, w, bias, residual;
  cl_mem in, weights, residualMemory, biasMemory, out;
};

cl_mem partial, counters;
constexpr std::size_t kPartialBytes = 512u << 20;

struct Result {
  double seconds = 1e9, error = 0;
  std::string name;
};

// Best of some runs, by the device's clock.
double run(Problem& p, const Key& key, int splits, int repeats, bool poison) {
  cl_kernel k = kernels[key.text()].handle;
  if (!k) return -1;
  const Layer& l = p.layer;
  ConvGeometry g{};
  g.pixels = static_cast<int>(p.pixels), g.channels = l.co, g.depth = p.depth;
  g.imagePixels = p.os * p.os, g.width = p.os;
  g.inHeight = g.inWidth = l.size, g.inChannels = l.ci;
  g.kernelWidth = l.kernel;
  g.strideY = g.strideX = l.stride, g.dilationY = g.dilationX = 1, g.padY = g.padX = p.pad;
  g.inPixel = l.ci, g.inRow = l.ci * l.size,
  g.inImage = static_cast<std::int64_t>(g.inRow) * l.size;
  g.outPixel = l.co, g.outRow = l.co * p.os,
  g.outImage = static_cast<std::int64_t>(g.outRow) * p.os;
  g.residualPixel = g.outPixel, g.residualRow = g.outRow, g.residualImage = g.outImage;
  g.weightRow = convWeightRow(p.depth, p.math), g.weightRows = convWeightRows(l.co);
  int steps = convSteps(key.tile, p.depth);
  g.stepsPerSplit = (steps + splits - 1) / splits;
  splits = (steps + g.stepsPerSplit - 1) / g.stepsPerSplit;
  g.vectors = l.co % 8 == 0 ? 3 : 0;
  cl_uint n = 0;
  cl_ulong zero = 0;
  auto memory = [&](cl_mem m) { check(clSetKernelArg(k, n++, sizeof m, &m), "arg"); };
  auto offset = [&] { check(clSetKernelArg(k, n++, sizeof zero, &zero), "arg"); };
  memory(p.in), offset(), memory(p.weights), memory(p.biasMemory);
  if (key.residual) memory(p.residualMemory), offset();
  if (key.split) memory(partial), offset(), memory(counters);
  memory(p.out), offset();
  check(clSetKernelArg(k, n, sizeof g, &g), "geometry");
  std::size_t threads = static_cast<std::size_t>(key.tile.threads());
  std::size_t global[3] = {
      threads * ((l.co + key.tile.channels - 1) / key.tile.channels),
      static_cast<std::size_t>((p.pixels + key.tile.pixels - 1) / key.tile.pixels),
      static_cast<std::size_t>(splits)};
  std::size_t local[3] = {threads, 1, 1};
  if (poison) {
    cl_uint nan = 0xffffffff;
    clEnqueueFillBuffer(queue, p.out, &nan, 4, 0,
                        static_cast<std::size_t>(p.pixels) * l.co * p.es / 4 * 4, 0, nullptr,
                        nullptr);
  }
  double best = 1e9;
  std::vector<cl_event> events(repeats);
  for (auto& e : events)
    check(clEnqueueNDRangeKernel(queue, k, 3, nullptr, global, local, 0, nullptr, &e), "enqueue");
  check(clFinish(queue), "finish");
  for (auto& e : events) {
    cl_ulong from, to;
    clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_START, 8, &from, nullptr);
    clGetEventProfilingInfo(e, CL_PROFILING_COMMAND_END, 8, &to, nullptr);
    best = std::min(best, static_cast<double>(to - from) * 1e-9);
    clReleaseEvent(e);
  }
  return best;
}

std::vector<int> numbers(const std::string& text) {
  std::vector<int> v;
  std::stringstream s(text);
  for (std::string item; std::getline(s, item, ',');) v.push_back(std::stoi(item));
  return v;
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  std::vector<int> batches = {1, 8, 32}, maths = {16, 19, 32};
  std::string net, file = "backends/opencl/kernels/nvidia_conv.cl";
  bool all = false;
  for (int i = 1; i < argc; ++i) {
    std::string a = argv[i];
    if (a == "--batch")
      batches = numbers(argv[++i]);
    else if (a == "--math")
      maths = numbers(argv[++i]);
    else if (a == "--net")
      net = argv[++i];
    else if (a == "--kernel")
      file = argv[++i];
    else if (a == "--all")
      all = true;
  }
  std::ifstream in(file);
  sourceText = std::string(std::istreambuf_iterator<char>(in), {});
  cl_platform_id platforms[8];
  cl_uint count = 0;
  clGetPlatformIDs(8, platforms, &count);
  for (cl_uint i = 0; i < count && !device; ++i)
    clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_GPU, 1, &device, nullptr);
  if (!device) return std::puts("no GPU"), 1;
  cl_int code;
  context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &code);
  check(code, "context");
  queue = clCreateCommandQueue(context, device, CL_QUEUE_PROFILING_ENABLE, &code);
  check(code, "queue");
  partial = upload(nullptr, kPartialBytes);
  std::vector<int> zeros(1 << 20, 0);
  counters = upload(zeros.data(), zeros.size() * 4);

  for (int m : maths) {
    ConvMath math = static_cast<ConvMath>(m);
    std::vector<Key> keys;
    for (const ConvTile& tile : convTiles(math))
      for (bool pointwise : {false, true})
        for (bool split : {false, true}) keys.push_back({tile, pointwise, split, 0});
    keys.push_back({convTiles(math)[0], false, false, 1});
    keys.push_back({convTiles(math)[4], false, true, 2});
    auto start = std::chrono::steady_clock::now();
    compileAll(keys);
    std::printf("math %d: %zu programs in %.1f s\n", m, keys.size(),
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (int batch : batches) {
      std::map<std::string, double> sums;
      std::map<std::string, int> launches;
      for (const Layer& l : kLayers) {
        if (!net.empty() && net != l.net && std::string("odd") != l.net) continue;
        Problem p(l, batch, math);
        Result best;
        double worst = 0;
        std::string worstName, others;
        for (const Key& key : keys) {
          if (key.pointwise && l.kernel != 1) continue;
          if (!key.pointwise && l.kernel == 1 && std::strcmp(l.net, "odd")) continue;
          std::int64_t groups = convGroups(key.tile, p.pixels, l.co);
          int steps = convSteps(key.tile, p.depth);
          std::vector<int> splits;
          if (!key.split)
            splits = {1};
          else if (!std::strcmp(l.net, "odd"))
            splits = {3};
          else
            for (int s : {2, 3, 4, 6, 8, 12, 16, 24})
              if (groups * s <= 528 && steps / s >= 2) splits.push_back(s);
          for (int s : splits) {
            if (s > 1 &&
                static_cast<std::size_t>(groups) * s * key.tile.pixels * key.tile.channels * 4 >
                    kPartialBytes)
              continue;
            bool first = s == splits.front();
            double t = run(p, key, s, 5, first);
            if (t < 0) continue;
            if (first) {
              double e = p.error(key.residual);
              if (!(e <= worst)) worst = e, worstName = key.text();
            }
            if (key.residual) continue;
            if (all) others += fmt::format("   {:7.1f} us {} s{}\n", t * 1e6, key.text(), s);
            if (t < best.seconds) best = {t, 0, fmt::format("{} s{}", key.text(), s)};
          }
        }
        double limit = math == ConvMath::kHalf ? 2e-3 : math == ConvMath::kTf32 ? 1e-4 : 3e-5;
        std::printf(
            "%d b%-2d %-9s %3d %4d->%-4d k%d s%d %8.1f us %6.1f TFLOP/s %6.0f GB/s  %-44s err "
            "%.1e%s%s\n",
            m, batch, l.net, l.size, l.ci, l.co, l.kernel, l.stride, best.seconds * 1e6,
            p.flops() / best.seconds * 1e-12, p.bytes() / best.seconds * 1e-9, best.name.c_str(),
            worst, worst <= limit ? "" : " WRONG ", worst <= limit ? "" : worstName.c_str());
        if (all) std::fputs(others.c_str(), stdout);
        sums[l.net] += l.count * best.seconds;
        launches[l.net] += l.count;
      }
      for (const auto& [name, seconds] : sums)
        std::printf("SUM math %d batch %d %s: %.3f ms in %d launches\n", m, batch, name.c_str(),
                    seconds * 1e3, launches[name]);
    }
  }
}
