#pragma once

#include <functional>
#include <string_view>

namespace layerwise {

/// kError: what failed, where no Error can be thrown; kWarning: what the user should know; kInfo:
/// what was built or loaded; kVerbose: the kernel chosen for each layer.
enum class Severity { kError, kWarning, kInfo, kVerbose };

/// Takes the library's messages; an empty function drops them. May be called from any thread that
/// calls the library.
using Logger = std::function<void(Severity, std::string_view message)>;

}  // namespace layerwise
