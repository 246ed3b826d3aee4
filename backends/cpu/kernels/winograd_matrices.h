#pragma once

namespace layerwise::cpu {
namespace {

// Weights' transform G of F(2,3) (points 0, 1, -1, infinity) and of F(4,3) (points 0, +-1, +-2,
// infinity); Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. The kernels
// hold the matching transforms of input and output.
constexpr double kWinograd2Weights[4][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
constexpr double kWinograd4Weights[6][3] = {{1. / 4, 0, 0},
                                            {-1. / 6, -1. / 6, -1. / 6},
                                            {-1. / 6, 1. / 6, -1. / 6},
                                            {1. / 24, 1. / 12, 1. / 6},
                                            {1. / 24, -1. / 12, 1. / 6},
                                            {0, 0, 1}};

}  // namespace
}  // namespace layerwise::cpu
