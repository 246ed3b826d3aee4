#include "weights/nearest_key.h"

#include <gtest/gtest.h>

namespace layerwise {
namespace {

TEST(NearestKey, PrefersTheLongerCommonBeginning) {
  EXPECT_EQ(nearestKey("layer1.conv", {"layxr1.conv", "layer1.cony"}), "layer1.cony");
  EXPECT_EQ(nearestKey("module.conv1.weight", {"conv2.weight", "conv1.weight"}), "conv1.weight");
  EXPECT_EQ(nearestKey("conv1.weight", {"backbone.body.conv1.weight"}),
            "backbone.body.conv1.weight");
  EXPECT_EQ(nearestKey("conv1.weight", {"head.anchors"}), "");
  EXPECT_EQ(nearestKey("", {"a"}), "");
}

TEST(NearestKey, MeasuresEditDistance) {
  EXPECT_EQ(editDistance("kitten", "sitting", 10), 3u);
  EXPECT_EQ(editDistance("wieght", "weight", 10), 1u);
  EXPECT_EQ(editDistance("abc", "", 10), 3u);
  EXPECT_EQ(editDistance("abc", "abc", 10), 0u);
  EXPECT_EQ(editDistance("kitten", "sitting", 2), 2u);
}

}  // namespace
}  // namespace layerwise
