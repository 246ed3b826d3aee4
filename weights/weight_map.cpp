#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <new>
#include <unordered_map>

#include "files/file.h"
#include "files/gzip.h"
#include "layerwise/error.h"
#include "layerwise/weights.h"
#include "weights/aligned_floats.h"
#include "weights/foreign_file.h"
#include "weights/hex.h"
#include "weights/nearest_key.h"
#include "weights/sidecar.h"
#include "weights/wts_text.h"

namespace layerwise {
namespace {

/// Lets the index be asked with a string_view without making a string of it.
struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

}  // namespace

struct WeightMap::Impl {
  struct Tensor {
    const float* values;
    std::int64_t count;
    bool used;
  };

  std::string path;
  std::vector<std::string> keys;
  std::vector<Tensor> tensors;  // in the order of keys
  std::unordered_map<std::string, std::size_t, KeyHash, std::equal_to<>> index;
  std::vector<AlignedFloats> blocks;  // what the tensors point into
  Metadata metadata;

  std::string label() const { return path.empty() ? "weights" : "weights " + path; }

  Tensor* find(std::string_view key) {
    const auto found = index.find(key);
    return found != index.end() ? &tensors[found->second] : nullptr;
  }

  void insert(std::string key, const float* values, std::int64_t count) {
    index.emplace(key, keys.size());
    keys.push_back(std::move(key));
    tensors.push_back({values, count, false});
  }
};

WeightMap::WeightMap() : impl_(std::make_unique<Impl>()) {}
WeightMap::~WeightMap() = default;
WeightMap::WeightMap(WeightMap&&) noexcept = default;
WeightMap& WeightMap::operator=(WeightMap&&) noexcept = default;

WeightMap WeightMap::load(const std::string& path, int threads) {
  WeightMap map;
  map.impl_->path = path;
  const std::string label = map.impl_->label();
  try {
    const MappedFile file(path, "weights");
    std::string unpacked;
    std::string_view text = file.bytes();
    if (isGzip(text)) {
      unpacked = gunzip(text, label, [&](std::string_view head) { checkWtsHead(head, label); });
      text = unpacked;
    }
    WtsTensors read = parseWts(text, label, threads);
    for (auto& tensor : read.tensors)
      map.impl_->insert(std::move(tensor.key), read.values.get() + tensor.offset, tensor.count);
    map.impl_->blocks.push_back(std::move(read.values));
    map.impl_->metadata = readSidecar(sidecarPath(path));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("[{}] no memory to read it", label));
  }
  return map;
}

void WeightMap::save(const std::string& path) const {
  constexpr std::size_t kPieceWords = 1 << 15;
  const std::string label = "weights " + path;
  AtomicFile file(path, "weights");
  {
    std::unique_ptr<GzipWriter> packed;
    if (path.ends_with(".gz")) packed = std::make_unique<GzipWriter>(file, label);
    std::string text = fmt::format("{}\n", impl_->keys.size());
    const auto flush = [&] {
      packed != nullptr ? packed->write(text) : file.write(text);
      text.clear();
    };
    for (std::size_t i = 0; i < impl_->keys.size(); ++i) {
      const Impl::Tensor& tensor = impl_->tensors[i];
      text += fmt::format("{} {}", impl_->keys[i], tensor.count);
      const auto count = static_cast<std::size_t>(tensor.count);
      for (std::size_t first = 0; first < count; first += kPieceWords) {
        const std::size_t words = std::min(kPieceWords, count - first);
        const std::size_t before = text.size();
        text.resize(before + 9 * words);
        encodeHexWords(tensor.values + first, words, text.data() + before);
        if (text.size() > 8 * kPieceWords) flush();
      }
      text += '\n';
    }
    flush();
    if (packed != nullptr) packed->finish();
  }
  const std::string sidecar = sidecarPath(path);
  if (impl_->metadata.empty()) {
    file.commit();
    // What an earlier file of this name left would be taken for this one's.
    std::error_code ignored;
    std::filesystem::remove(sidecar, ignored);
    return;
  }
  AtomicFile metadata(sidecar, "metadata");
  metadata.write(sidecarText(impl_->metadata, sidecar));
  file.commit();
  metadata.commit();
}

void WeightMap::add(const std::string& key, std::vector<float> values) {
  const auto refuse = [&](std::string_view what) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{}] the key '{}' {}", impl_->label(), printable(key), what));
  };
  if (key.empty()) refuse("is empty");
  if (key.find_first_of(std::string_view(" \t\r\n\v\f\0", 7)) != std::string::npos)
    refuse("holds a blank, which a .wts cannot");
  if (contains(key)) refuse("is there already");
  AlignedFloats block = allocateFloats(values.size());
  if (!values.empty()) std::memcpy(block.get(), values.data(), values.size() * sizeof(float));
  impl_->insert(key, block.get(), static_cast<std::int64_t>(values.size()));
  impl_->blocks.push_back(std::move(block));
}

bool WeightMap::contains(std::string_view key) const {
  return impl_->find(key) != nullptr;
}

Weights WeightMap::find(std::string_view key) const {
  Impl::Tensor* const tensor = impl_->find(key);
  if (tensor == nullptr) return {};
  tensor->used = true;
  return {DataType::kFloat32, tensor->values, tensor->count};
}

Weights WeightMap::at(std::string_view key) const {
  if (!contains(key)) {
    const std::string nearest = nearestKey(key);
    throw Error(
        ErrorCode::kMissingWeights,
        fmt::format("[{}] no key '{}'{}", impl_->label(), printable(key),
                    nearest.empty() ? fmt::format(", nor one like it among {}", impl_->keys.size())
                                    : fmt::format("; nearest: '{}'", printable(nearest))));
  }
  return find(key);
}

Weights WeightMap::at(std::string_view key, std::int64_t expectedCount) const {
  const Weights weights = at(key);
  if (weights.count != expectedCount)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[{}] the key '{}' holds {} values, {} needed", impl_->label(),
                            printable(key), weights.count, expectedCount));
  return weights;
}

std::int64_t WeightMap::count(std::string_view key) const {
  const Impl::Tensor* const tensor = impl_->find(key);
  return tensor != nullptr ? tensor->count : -1;
}

const std::vector<std::string>& WeightMap::keys() const {
  return impl_->keys;
}

std::vector<std::string> WeightMap::unusedKeys() const {
  std::vector<std::string> unused;
  for (std::size_t i = 0; i < impl_->keys.size(); ++i)
    if (!impl_->tensors[i].used) unused.push_back(impl_->keys[i]);
  return unused;
}

std::string WeightMap::nearestKey(std::string_view key) const {
  return layerwise::nearestKey(key, impl_->keys);
}

std::map<std::string, std::string>& WeightMap::metadata() {
  return impl_->metadata;
}
const std::map<std::string, std::string>& WeightMap::metadata() const {
  return impl_->metadata;
}
const std::string& WeightMap::path() const {
  return impl_->path;
}

}  // namespace layerwise
