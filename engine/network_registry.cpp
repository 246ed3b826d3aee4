#include "layerwise/network_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "layerwise/error.h"

namespace layerwise {

void registerAllNetworks(NetworkRegistry& registry);

NetworkRegistry& NetworkRegistry::instance() {
  static NetworkRegistry registry = [] {
    NetworkRegistry all;
    registerAllNetworks(all);
    return all;
  }();
  return registry;
}

void NetworkRegistry::add(NetworkFamily family) {
  std::string name = family.name;
  if (!families_.emplace(name, std::move(family)).second)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[network {}] is registered already", name));
}

const NetworkFamily& NetworkRegistry::at(std::string_view name) const {
  auto found = families_.find(name);
  if (found == families_.end())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[network {}] there is none of that name; there are {}", name,
                            fmt::join(names(), ", ")));
  return found->second;
}

std::vector<std::string> NetworkRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, family] : families_) names.push_back(name);
  return names;
}

Network NetworkRegistry::define(std::string_view name, const WeightMap& weights,
                                const std::map<std::string, std::string>& options) const {
  const NetworkFamily& family = at(name);
  std::map<std::string, std::string> complete;
  std::vector<std::string> known;
  for (const NetworkOption& option : family.options) {
    complete[option.name] = option.defaultValue;
    known.push_back(option.name);
  }
  for (const auto& [key, value] : options) {
    if (!complete.contains(key))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[network {}] has no option '{}'; it has: {}", name, key,
                              fmt::join(known, ", ")));
    complete[key] = value;
  }
  Network network;
  network.setName(name);
  network.metadata() = weights.metadata();
  network.metadata()["network"] = name;
  for (const auto& [key, value] : complete) network.metadata()["option." + key] = value;
  family.define(network, weights, complete);
  return network;
}

namespace {

/// The inverse of toString(Dims).
Dims parseDims(const std::string& key, const std::string& text) {
  Dims dims;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find('x', from), text.size());
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(text.data() + from, text.data() + to, value);
    if (error != std::errc() || end != text.data() + to)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("[{}] '{}' is no shape", key, text));
    dims.append(value);
    from = to + 1;
  }
  return dims;
}

}  // namespace

OptimizationProfile defaultProfile(const Network& network) {
  OptimizationProfile profile;
  for (int i = 0; i < network.inputCount(); ++i) {
    const std::string& name = network.input(i).name();
    auto shape = [&](const char* end) {
      const std::string key = fmt::format("profile.{}.{}", name, end);
      return parseDims(key, network.metadata().at(key));
    };
    if (network.metadata().contains(fmt::format("profile.{}.min", name)))
      profile.inputs[name] = {shape("min"), shape("opt"), shape("max")};
  }
  return profile;
}

}  // namespace layerwise
