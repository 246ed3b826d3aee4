#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "layerwise/builder.h"
#include "layerwise/export.h"
#include "layerwise/network.h"
#include "layerwise/weights.h"

namespace layerwise {

/// An option of a network family: what its weights' keys and counts cannot decide.
struct NetworkOption {
  std::string name;          ///< as on the command line, without dashes: "imgsz"
  std::string defaultValue;  ///< empty: read off the weights
  std::string description;
};

/// A network family: a name, its options, and a function that recognises and defines it.
struct NetworkFamily {
  std::string name;
  std::string description;
  std::vector<NetworkOption> options;
  /// Adds inputs, layers and outputs. `options` holds the values the user gave, by name, checked
  /// against the list above; the defaults are filled in. Throws Error for weights of another family
  /// (naming it where known) and for an option that contradicts the weights (with both numbers).
  std::function<void(Network& network, const WeightMap& weights,
                     const std::map<std::string, std::string>& options)>
      define;
};

/// The families by name. Each file of networks/ adds one.
class LAYERWISE_API NetworkRegistry {
 public:
  /// With every family that this library holds. Users may add theirs.
  static NetworkRegistry& instance();

  void add(NetworkFamily family);  ///< throws Error for a name that is taken
  /// Throws Error naming the nearest families.
  const NetworkFamily& at(std::string_view name) const;
  std::vector<std::string> names() const;

  /// define() with the options checked and the defaults filled in; all options go into the
  /// network's metadata as "option.<name>", the weights' metadata as it is, and "network" says the
  /// family.
  Network define(std::string_view name, const WeightMap& weights,
                 const std::map<std::string, std::string>& options = {}) const;

 private:
  std::map<std::string, NetworkFamily, std::less<>> families_;
};

/// The profile that a family wrote for its open dimensions into the network's metadata: the shapes
/// "profile.<input>.min", ".opt" and ".max". Throws Error for text that is no shape.
LAYERWISE_API OptimizationProfile defaultProfile(const Network& network);

}  // namespace layerwise
