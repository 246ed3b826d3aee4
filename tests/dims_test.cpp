#include "layerwise/dims.h"

#include <gtest/gtest.h>

#include "layerwise/error.h"

namespace layerwise {
namespace {

TEST(Dims, PrintsAndCompares) {
  EXPECT_EQ(toString(Dims{1, 3, 640, 640}), "1x3x640x640");
  EXPECT_EQ(toString(Dims{}), "scalar");
  EXPECT_EQ((Dims{2, 3}), (Dims{2, 3}));
  EXPECT_FALSE((Dims{2, 3}) == (Dims{2, 3, 1}));
}

TEST(Dims, VolumeRefusesWhatHasNone) {
  EXPECT_EQ((Dims{2, 3, 4}).volume(), 24);
  EXPECT_EQ(Dims{}.volume(), 1);
  EXPECT_EQ((Dims{1LL << 40, 0, 1LL << 40}).volume(), 0);
  EXPECT_THROW((Dims{-1, 3}).volume(), Error);
  EXPECT_THROW((Dims{1LL << 40, 1LL << 40}).volume(), Error);
}

TEST(Dims, HoldsEightValues) {
  EXPECT_EQ((Dims{1, 1, 1, 1, 1, 1, 1, 1}).rank(), 8);
  EXPECT_THROW((Dims{1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
}

}  // namespace
}  // namespace layerwise
