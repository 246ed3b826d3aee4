#include <fmt/format.h>

#include <cmath>

#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/layer_builder.h"
#include "networks/blocks/recognise.h"

/// LeNet-5 (LeCun et al. 1998) as it is trained today: two convolutions without padding, each with
/// an activation and a 2x2 pooling, then three fully connected layers; keys conv1, conv2, fc1 to
/// fc3. Its input's size follows from the counts; the kind of pooling is an option.
namespace layerwise {
namespace {

using namespace blocks;

/// The side of a square of `count` values, or an Error that names `what`.
std::int64_t sideOf(std::int64_t count, const std::string& what) {
  const auto side = std::llround(std::sqrt(static_cast<double>(count)));
  if (side < 1 || side * side != count)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[lenet {}] {} values are no square", what, count));
  return side;
}

std::int64_t kernelOf(const WeightMap& weights, const std::string& key, std::int64_t inputs) {
  const std::int64_t values = countOf(weights, key + ".weight");
  const std::int64_t outputs = countOf(weights, key + ".bias");
  return sideOf(values / (outputs * inputs), key + ".weight");
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "lenet");
  const Options options("lenet", values);
  const LayerBuilder build(network, weights);
  const bool max = options.choice("pool", {"max", "average", "avg"}) == "max";
  const PoolingType pooling = max ? PoolingType::kMax : PoolingType::kAverage;
  const std::string& word = options.choice("activation", {"relu", "tanh", "sigmoid"});
  const ActivationType activation = word == "relu"   ? ActivationType::kRelu
                                    : word == "tanh" ? ActivationType::kTanh
                                                     : ActivationType::kSigmoid;

  constexpr std::int64_t kChannels = 1;
  const std::int64_t first = kernelOf(weights, "conv1", kChannels);
  const std::int64_t second = kernelOf(weights, "conv2", countOf(weights, "conv1.bias"));
  const std::int64_t flat = countOf(weights, "fc1.weight") / countOf(weights, "fc1.bias");
  const std::int64_t map = sideOf(flat / countOf(weights, "conv2.bias"), "fc1.weight");
  const std::int64_t side = (2 * map + second - 1) * 2 + first - 1;
  if (options.given("imgsz"))
    if (const ImageSize wish = options.size("imgsz"); wish.height != side || wish.width != side)
      options.refuse("imgsz",
                     fmt::format("{}, the weights' counts say {}x{}", toString(wish), side, side));
  Tensor& images = addImageInput(network, options, kChannels, {side, side});

  Feature x{&images, kChannels};
  for (const auto& [key, kernel] : {std::pair("conv1", first), std::pair("conv2", second)}) {
    x = build.convolution(x, key, {.kernel = kernel, .padding = 0});
    x = build.activation(x, activation, fmt::format("{}.activation", key));
    x = build.pool(x, pooling, {.kernel = 2, .stride = 2, .padding = 0},
                   fmt::format("{}.pool", key));
  }
  x = build.activation(build.linear(x, "fc1", flat), activation, "fc1.activation");
  x = build.activation(build.linear(x, "fc2", x.channels), activation, "fc2.activation");
  x = build.linear(x, "fc3", x.channels);
  network.markOutput(*x.tensor, "scores");
  describeClasses(network, options, "classify", x.channels);
  auto& metadata = network.metadata();
  metadata["preprocess.kind"] = "gray";
  metadata["preprocess.border"] = std::to_string(options.integer("border", 0, side / 2 - 1));
  describeNormalization(network, options, kChannels);
}

}  // namespace

void registerNetwork_lenet(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("", "input size (default: what the counts say); only checked");
  options.push_back(namesOption());
  options.push_back({"pool", "max", "max or average"});
  options.push_back({"activation", "relu", "relu, tanh or sigmoid"});
  options.push_back({"border", "2", "preprocessing: black pixels around the digit"});
  options.push_back({"mean", "0", "preprocessing: what is subtracted from grey (0 to 1)"});
  options.push_back({"std", "1", "preprocessing: what it is divided by"});
  registry.add({"lenet", "LeNet-5 for digits", options, define});
}

}  // namespace layerwise
