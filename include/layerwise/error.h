#pragma once

#include <stdexcept>
#include <string>

#include "layerwise/export.h"

namespace layerwise {

/// What kind of thing went wrong; the message says which one.
enum class ErrorCode {
  kInvalidArgument,  ///< a call or an option that cannot be meant
  kInvalidShape,     ///< shapes that do not fit each other or the layer
  kMissingWeights,   ///< a key that the network needs is not in the weights
  kBadFile,          ///< a damaged, truncated, hostile or foreign file
  kIo,               ///< the operating system refused to read or write
  kUnsupported,      ///< well-formed, but not something this build or device can do
  kOutOfMemory,      ///< the message says how much was needed
  kCancelled,        ///< the caller's progress monitor stopped the build
  kDevice,           ///< a device or its driver failed
  kInternal,         ///< a broken promise inside the library: please report it
};

/// The only exception type the library throws. what() is one line that begins with the thing at
/// fault in brackets:
///   [convolution model.2.cv1] weights hold 6912 values, 65280 needed (255x256x1x1)
class LAYERWISE_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace layerwise
