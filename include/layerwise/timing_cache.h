#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "layerwise/export.h"

namespace layerwise {

/// What tactics were measured to cost, by node signature, device and kernel-set version: a text
/// file that can be shared and merged. An entry that fits nothing is ignored. Safe for concurrent
/// calls.
class LAYERWISE_API TimingCache {
 public:
  TimingCache() = default;

  /// Adds the entries of a file; a missing file adds none. Throws Error kBadFile for a file that is
  /// no timing cache; lines of another version are skipped.
  void load(const std::string& path);
  /// Writes all entries through a temporary name. Throws Error kIo.
  void save(const std::string& path) const;
  /// Takes over what the other one has and this one has not.
  void merge(const TimingCache& other);

  /// Seconds; nothing where the key is unknown. The builder makes the keys.
  std::optional<double> find(const std::string& key) const;
  void insert(const std::string& key, double seconds);
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, double> entries_;
};

}  // namespace layerwise
