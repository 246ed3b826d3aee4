#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "backends/cpu/conv.h"

// What the tests of convolution kernels share: plain activations and random shapes.
namespace layerwise::cpu {

inline double activate(const Epilogue& e, double x) {
  const auto clip01 = [](double v) { return std::min(1.0, std::max(0.0, v)); };
  switch (e.activation) {
    case Activation::kNone:
      return x;
    case Activation::kClip:
      return std::min<double>(std::max<double>(x, e.alpha), e.beta);
    case Activation::kLeaky:
      return x < 0 ? e.alpha * x : x;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kHardSigmoid:
      return clip01(e.alpha * x + e.beta);
    case Activation::kHardSwish:
      return x * clip01(e.alpha * x + e.beta);
    case Activation::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kElu:
      return x < 0 ? e.alpha * std::expm1(x) : x;
    case Activation::kGelu:
      return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kExp:
      return std::exp(x);
    case Activation::kSoftplus:
      return std::log1p(std::exp(x));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

inline Epilogue makeEpilogue(Activation activation) {
  Epilogue e;
  e.activation = activation;
  switch (activation) {
    case Activation::kClip:
      e.alpha = 0;
      e.beta = 6;
      break;
    case Activation::kHardSigmoid:
    case Activation::kHardSwish:
      e.alpha = 1 / 6.0f;
      e.beta = 0.5f;
      break;
    default:
      e.alpha = 0.1f;
  }
  return e;
}
inline constexpr int kActivations = static_cast<int>(Activation::kSoftplus) + 1;

inline int64_t extent(const View& v, int64_t n, int64_t h, int64_t w, int64_t c) {
  return (n - 1) * v.image + (h - 1) * v.row + (w - 1) * v.pixel + (c - 1) * v.channel + 1;
}

inline ConvShape randomShape(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<int64_t> values) {
    return values.begin()[std::uniform_int_distribution<size_t>(0, values.size() - 1)(random)];
  };
  ConvShape s;
  do {
    s = ConvShape{};
    s.n = pick({1, 1, 2});
    s.h = pick({1, 3, 7, 12, 17});
    s.w = pick({1, 4, 7, 13, 31});
    s.ci = pick({1, 3, 7, 17, 24, 58});
    s.co = pick({1, 3, 8, 17, 24, 58, 70});
    s.kh = pick({1, 1, 2, 3, 3, 5});
    s.kw = pick({1, s.kh, s.kh, s.kh});
    s.sh = pick({1, 1, 2, 3});
    s.sw = pick({s.sh, s.sh, 1});
    s.pt = pick({0, s.kh / 2, 1});
    s.pl = pick({0, s.kw / 2, 2});
    s.pb = pick({s.pt, 0, 1});
    s.pr = pick({s.pl, 0, 3});
    s.dh = pick({1, 1, 2});
    s.dw = pick({1, s.dh});
    const int64_t kind = pick({0, 0, 0, 0, 1, 2, 3});
    if (kind == 1) s.groups = s.co = s.ci;  // depthwise
    if (kind == 2) s.groups = 3, s.ci = 3 * pick({1, 5, 8}), s.co = 3 * pick({2, 9, 33});
    if (kind == 3) s.groups = pick({3, 8, 10}), s.ci = s.co = s.groups * pick({2, 4, 8});
  } while (s.h + s.pt + s.pb < (s.kh - 1) * s.dh + 1 || s.w + s.pl + s.pr < (s.kw - 1) * s.dw + 1);
  return s;
}

}  // namespace layerwise::cpu
