#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/common/build_settings.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// What is built: a registered network, the values of its options, and shapes that override what
/// the network wishes.
struct NetworkChoice {
  std::string name;
  std::map<std::string, std::string> options;
  std::map<std::string, ShapeRange> shapes;
  /// Added to the largest height and width where both are open, in strides of the network.
  int extraStrides = 0;
};

/// An engine fresh from its weights, and what the user is told of the build.
struct BuiltEngine {
  std::shared_ptr<const Engine> engine;
  double seconds = 0.0;
  std::size_t keys = 0;
  std::vector<std::string> unusedKeys;
};

/// Reads the weights, defines the network, builds, with a progress bar. Throws Error.
BuiltEngine buildFromWeights(const std::string& weights, const NetworkChoice& network,
                             const BuildSettings& settings);

/// Builds and saves. The target is looked at first: a file that is there already and is no engine
/// is refused, so that weights given in the wrong place are not lost. Reports on standard output.
void buildToFile(const std::string& weights, const std::string& target,
                 const NetworkChoice& network, const BuildSettings& settings);

/// Loads an engine, or builds one online where the file holds weights. Throws Error where the
/// engine is not one of that network.
std::shared_ptr<const Engine> openEngine(const std::string& path, const NetworkChoice& network,
                                         const BuildSettings& settings);

/// Whether the file begins as an engine does.
bool isEngineFile(const std::string& path);

/// A value of the engine's metadata, or the fallback.
std::string metadataOf(const Engine& engine, const std::string& key,
                       const std::string& fallback = {});

}  // namespace layerwise::apps
