#include <fmt/format.h>

#include "backends/cpu/backend.h"
#include "layerwise/error.h"

namespace layerwise {

const Backend& findBackend(std::string_view device) {
  if (device == "cpu") return cpu::backend();
  throw Error(ErrorCode::kDevice,
              fmt::format("[device {}] there is no such device; there is: cpu", device));
}

}  // namespace layerwise
