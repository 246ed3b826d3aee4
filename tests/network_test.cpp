#include "layerwise/network.h"

#include <gtest/gtest.h>

#include "layerwise/error.h"

namespace layerwise {
namespace {

TEST(Network, InfersShapesWhenAskedNotBefore) {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {1, 3, 32, 32});
  Weights kernel = network.keep(std::vector<float>(8 * 3 * 9));
  auto& conv = network.addConvolution(x, 8, {3, 3}, kernel);
  EXPECT_EQ(conv.output().dims(), (Dims{1, 8, 30, 30}));
  conv->setPadding({1, 1});
  conv->stride = {2, 2};
  EXPECT_EQ(conv.output().dims(), (Dims{1, 8, 16, 16}));
  x.setDims({4, 3, 64, 32});
  EXPECT_EQ(conv.output().dims(), (Dims{4, 8, 32, 16}));
}

TEST(Network, OpenDimensionsStayOpen) {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {-1, 3, -1, 32});
  auto& conv = network.addConvolution(x, 8, {1, 1}, network.keep(std::vector<float>(24)));
  EXPECT_EQ(conv.output().dims(), (Dims{-1, 8, -1, 32}));
}

TEST(Network, WrongWeightsNameTheLayerAndBothNumbers) {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {1, 3, 8, 8});
  auto& conv = network.addConvolution(x, 255, {1, 1}, network.keep(std::vector<float>(6)));
  conv.setName("model.24.m.0");
  try {
    conv.output().dims();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[convolution model.24.m.0] kernel holds 6 values, 765 needed (255x3x1x1)");
  }
}

TEST(Network, IndicesOutsideAreErrors) {
  Network network;
  network.setName("small");
  network.addInput("x", DataType::kFloat32, {1, 2});
  EXPECT_THROW(network.layer(0), Error);
  EXPECT_THROW(network.output(-1), Error);
  EXPECT_THROW(network.outputName(0), Error);
  try {
    network.input(1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[network small] has no input 1 of 1");
  }
}

TEST(Network, MovesWithoutLosingItsTensors) {
  Network a;
  Tensor& x = a.addInput("x", DataType::kFloat32, {1, 2});
  Tensor& y = a.addActivation(x, ActivationType::kRelu).output();
  Network b = std::move(a);
  b.markOutput(y, "y");
  EXPECT_EQ(y.dims(), (Dims{1, 2}));
  EXPECT_EQ(b.outputName(0), "y");
}

}  // namespace
}  // namespace layerwise
