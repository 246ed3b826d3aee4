#include "networks/blocks/resnet.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "layerwise/error.h"

namespace layerwise::blocks {
namespace {

std::string blockKey(const std::string& prefix, std::size_t stage, std::int64_t block) {
  return fmt::format("{}layer{}.{}", prefix, stage + 1, block);
}

/// The groups of a 3x3 convolution from `channels` to as many.
std::int64_t groupsOf(const WeightMap& weights, const std::string& key, std::int64_t channels) {
  const std::int64_t count = weights.count(key + ".weight");
  const std::int64_t dense = channels * channels * 9;
  if (count < 1 || dense % count != 0 || channels % (dense / count) != 0)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[resnet {}] the kernel holds {} values, {} or a divisor of it needed "
                            "({} channels)",
                            key, count, dense, channels));
  return dense / count;
}

}  // namespace

ResNet::ResNet(const WeightMap& weights, const std::string& keyPrefix) : prefix(keyPrefix) {
  const std::int64_t stem = countOf(weights, prefix + "bn1.weight");
  const std::int64_t kernel = countOf(weights, prefix + "conv1.weight");
  // Three input channels, or one; a 3x3 kernel over 49 / 9 channels does not exist.
  for (std::int64_t size : {7, 3})
    if (stemKernel == 0 && kernel % (stem * size * size) == 0) stemKernel = size;
  if (stemKernel == 0)
    throw Error(
        ErrorCode::kInvalidShape,
        fmt::format("[resnet {}conv1] the kernel holds {} values, {} (7x7) or {} (3x3) needed",
                    prefix, kernel, stem * 3 * 49, stem * 3 * 9));
  inputChannels = kernel / (stem * stemKernel * stemKernel);
  for (std::size_t stage = 0;; ++stage) {
    const std::int64_t count = moduleCount(weights, fmt::format("{}layer{}.", prefix, stage + 1));
    if (count == 0) break;
    blocks.push_back(count);
  }
  const std::string first = blockKey(prefix, 0, 0);
  bottleneck = hasModule(weights, first + ".conv3.");
  width = countOf(weights, first + ".bn1.weight");
  groups = bottleneck ? groupsOf(weights, first + ".conv2", width) : 1;
}

Feature ResNet::addShortcut(const LayerBuilder& build, const Feature& x, const std::string& key,
                            std::int64_t stride, std::int64_t channels) const {
  for (const char* name : {".downsample", ".shortcut"}) {
    const std::string projection = key + name;
    if (hasModule(build.weights(), projection + "."))
      return build.convolution(x, projection + ".0", {.stride = stride}, projection + ".1");
  }
  if (stride == 1 && channels == x.channels) return x;
  Network& network = build.network();
  auto& thin = network.addSlice(*x.tensor, {0, 0, 0, 0}, {-1, -1, -1, -1}, {1, 1, stride, stride});
  thin.setName(key + ".shortcut.slice");
  const std::int64_t extra = channels - x.channels;
  if (extra < 0)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[resnet {}] {} channels cannot become {} without a projection", key,
                            x.channels, channels));
  auto& padded =
      network.addPadding(thin.output(), {0, extra / 2, 0, 0}, {0, extra - extra / 2, 0, 0});
  padded.setName(key + ".shortcut.pad");
  return {&padded.output(), channels};
}

Feature ResNet::addBlock(const LayerBuilder& build, const Feature& x, const std::string& key,
                         std::int64_t stride) const {
  auto conv = [&](const Feature& in, int index, const Window& window) {
    return build.convolution(in, fmt::format("{}.conv{}", key, index), window,
                             fmt::format("{}.bn{}", key, index));
  };
  Feature y;
  if (bottleneck) {
    y = build.relu(conv(x, 1, {}), key + ".relu1");
    const std::int64_t own = groupsOf(build.weights(), key + ".conv2", y.channels);
    y = conv(y, 2, {.kernel = 3, .stride = stride, .groups = own});
    y = conv(build.relu(y, key + ".relu2"), 3, {});
  } else {
    y = build.relu(conv(x, 1, {.kernel = 3, .stride = stride}), key + ".relu1");
    y = conv(y, 2, {.kernel = 3});
  }
  y = build.add(y, addShortcut(build, x, key, stride, y.channels), key + ".add");
  return build.relu(y, key + ".relu");
}

Feature ResNet::add(const LayerBuilder& build, Feature x) const {
  const bool large = stemKernel == 7;
  x = build.convolution(x, prefix + "conv1", {.kernel = stemKernel, .stride = large ? 2 : 1},
                        prefix + "bn1");
  x = build.relu(x, prefix + "relu");
  if (large) x = build.pool(x, PoolingType::kMax, {.kernel = 3, .stride = 2}, prefix + "maxpool");
  for (std::size_t stage = 0; stage < blocks.size(); ++stage)
    for (std::int64_t block = 0; block < blocks[stage]; ++block)
      x = addBlock(build, x, blockKey(prefix, stage, block), stage > 0 && block == 0 ? 2 : 1);
  return x;
}

std::string ResNet::variant() const {
  using Stages = std::vector<std::int64_t>;
  if (blocks.size() == 3 && !bottleneck && blocks[0] == blocks[1] && blocks[1] == blocks[2])
    return fmt::format("resnet{} (CIFAR)", 6 * blocks[0] + 2);
  for (const auto& [depth, stages, deep] :
       {std::tuple(18, Stages{2, 2, 2, 2}, false), std::tuple(34, Stages{3, 4, 6, 3}, false),
        std::tuple(50, Stages{3, 4, 6, 3}, true), std::tuple(101, Stages{3, 4, 23, 3}, true),
        std::tuple(152, Stages{3, 8, 36, 3}, true)}) {
    if (stages != blocks || deep != bottleneck) continue;
    if (groups > 1) return fmt::format("resnext{}_{}x{}d", depth, groups, width / groups);
    if (deep && width > 64) return fmt::format("wide_resnet{}_{}", depth, width / 64);
    return fmt::format("resnet{}", depth);
  }
  return fmt::format("{} blocks {}", bottleneck ? "bottleneck" : "basic", fmt::join(blocks, "+"));
}

}  // namespace layerwise::blocks
