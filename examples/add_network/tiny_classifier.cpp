#include "layerwise/network_registry.h"

// docs/add-a-network.md's example, whole. PyTorch's side of it:
//
//   torch.nn.Sequential(OrderedDict(
//       conv1=nn.Conv2d(3, C, 3, stride=2, padding=1, bias=False), bn1=nn.BatchNorm2d(C),
//       act1=nn.SiLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(C, K)))
namespace layerwise {
namespace {

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& options) {
  const std::int64_t size = std::stoll(options.at("imgsz"));
  Tensor& images = network.addInput("images", DataType::kFloat32, {1, 3, size, size});

  // What the counts say is read off them: no constant to keep in step with the weights.
  const std::int64_t channels = weights.at("bn1.weight").count;
  const std::int64_t classes = weights.at("fc.bias").count;

  auto& conv = network.addConvolution(images, channels, {3, 3},
                                      weights.at("conv1.weight", channels * 3 * 3 * 3));
  conv.setName("conv1");
  conv->stride = {2, 2};
  conv->setPadding({1, 1});
  auto& norm = network.addBatchNorm(
      conv.output(), weights.at("bn1.weight", channels), weights.at("bn1.bias", channels),
      weights.at("bn1.running_mean", channels), weights.at("bn1.running_var", channels));
  norm.setName("bn1");
  auto& act = network.addActivation(norm.output(), ActivationType::kSilu);
  act.setName("act1");
  auto& pool = network.addGlobalPooling(act.output(), PoolingType::kAverage);
  pool.setName("pool");
  auto& fc = network.addFullyConnected(
      pool.output(), classes, weights.at("fc.weight", classes * channels), weights.at("fc.bias"));
  fc.setName("fc");
  network.markOutput(fc.output(), "scores");

  // Beside the layers the engine carries text; the programs read these keys (docs/networks.md).
  auto& metadata = network.metadata();
  metadata["task"] = "classify";
  metadata["classes"] = std::to_string(classes);
  metadata["imgsz"] = options.at("imgsz") + "x" + options.at("imgsz");
  metadata["preprocess.kind"] = "center_square";
  metadata["preprocess.mean"] = "0.485,0.456,0.406";
  metadata["preprocess.std"] = "0.229,0.224,0.225";
}

}  // namespace

void registerNetwork_tiny_classifier(NetworkRegistry& registry) {
  registry.add({"tiny_classifier",
                "One convolution and a classifier",
                {{"imgsz", "64", "side of the square input in pixels"}},
                define});
}

}  // namespace layerwise
