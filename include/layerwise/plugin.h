#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerwise/data_type.h"
#include "layerwise/dims.h"
#include "layerwise/export.h"
#include "layerwise/fields.h"
#include "layerwise/weights.h"

namespace layerwise {

/// A tensor's type and shape, all dimensions known.
struct TensorInfo {
  DataType type = DataType::kFloat32;
  Dims dims;
  bool operator==(const TensorInfo&) const = default;
};

/// A tensor in memory. Strides are in elements, one an axis: a channels-last map or a slice of a
/// larger tensor is not dense.
struct TensorView {
  DataType type = DataType::kFloat32;
  Dims dims;
  Dims strides;
  void* data = nullptr;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// How a plugin wants a tensor to lie in memory.
enum class TensorFormat {
  kLinear,        ///< row-major without gaps
  kChannelsLast,  ///< axis 1 innermost; the other axes may have gaps
  kStrided,       ///< whatever is there: the plugin honours the strides
};

/// A layer kind from outside. One object serves all contexts at once: run() is const and may be
/// called from several threads.
class LAYERWISE_API Plugin {
 public:
  virtual ~Plugin() = default;

  /// The name and the version of the stored form, under which the creator is registered.
  virtual std::string_view type() const = 0;
  virtual std::int64_t version() const { return 1; }
  /// What the plan file stores; the creator registered for type() and version() gets it back.
  virtual Fields fields() const { return {}; }
  /// Float32 weights that the plan file stores beside the fields; valid while the plugin lives.
  virtual std::vector<Weights> weights() const { return {}; }

  virtual int outputCount() const { return 1; }
  /// The outputs' types and shapes, outputCount() of them; throws Error for inputs it cannot take.
  virtual std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const = 0;
  virtual TensorFormat inputFormat(int /*index*/) const { return TensorFormat::kLinear; }

  /// The number of independent tasks a run is split into; workers claim them.
  virtual std::int64_t tasks(std::span<const TensorInfo> /*inputs*/) const { return 1; }
  /// Bytes of scratch memory a task may use (64-byte aligned, not cleared).
  virtual std::size_t scratchBytes(std::span<const TensorInfo> /*inputs*/) const { return 0; }
  /// Does one task, 0 to tasks() - 1. Outputs are always linear. Errors are thrown and reach the
  /// caller of ExecutionContext::run.
  virtual void run(std::int64_t task, std::span<const TensorView> inputs,
                   std::span<const TensorView> outputs, std::span<std::byte> scratch) const = 0;
};

/// Makes a plugin from what a plan file stored. `weights` are borrowed for the call.
using PluginCreator = std::function<std::shared_ptr<const Plugin>(
    const Fields& fields, std::span<const Weights> weights)>;

/// The plugin types of the process by type and version, the library's own (plugins/) from the
/// start. Safe for concurrent calls.
class LAYERWISE_API PluginRegistry {
 public:
  static PluginRegistry& instance();

  /// Throws Error where the type and version are registered already.
  void add(std::string_view type, std::int64_t version, PluginCreator creator);
  /// Throws Error kUnsupported naming the type and version where nothing is registered.
  std::shared_ptr<const Plugin> create(std::string_view type, std::int64_t version,
                                       const Fields& fields,
                                       std::span<const Weights> weights) const;

 private:
  PluginRegistry();

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::int64_t>, PluginCreator> creators_;
};

/// Makes a plugin type known to the whole process, so that engines that hold it can be loaded:
/// PluginRegistry::add.
LAYERWISE_API void registerPlugin(std::string_view type, std::int64_t version,
                                  PluginCreator creator);

/// A plugin of a registered type: PluginRegistry::create.
LAYERWISE_API std::shared_ptr<const Plugin> createPlugin(std::string_view type,
                                                         std::int64_t version, const Fields& fields,
                                                         std::span<const Weights> weights = {});

}  // namespace layerwise
