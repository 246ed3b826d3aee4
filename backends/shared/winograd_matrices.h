#pragma once

namespace layerwise {
namespace {

// Winograd's minimal filtering after Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016. F(2,3) interpolates at 0, +-1 and infinity. F(4,3) does at 0, +-sqrt(1/2),
// +-sqrt(2) and infinity: the usual 0, +-1, +-2 makes more than twice the rounding error and five
// times the worst one. The kernels hold the matching transforms of input and output. All is of
// internal linkage: the units for instruction sets include this.
constexpr double kSquareRoot2 = 1.41421356237309504880;
constexpr float kWinograd4Near = static_cast<float>(kSquareRoot2 / 2);
constexpr float kWinograd4Far = static_cast<float>(kSquareRoot2);

// The weights' transforms G: at point p, (1, p, p^2) over the product of its distances from the
// other points.
template <int points>
constexpr double winogradWeights[points][3] = {};
template <>
constexpr double winogradWeights<4>[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
template <>
constexpr double winogradWeights<6>[6][3] = {{1, 0, 0},
                                             {-2. / 3, -kSquareRoot2 / 3, -1. / 3},
                                             {-2. / 3, kSquareRoot2 / 3, -1. / 3},
                                             {1. / 6, kSquareRoot2 / 6, 1. / 3},
                                             {1. / 6, -kSquareRoot2 / 6, 1. / 3},
                                             {0, 0, 1}};

}  // namespace
}  // namespace layerwise
