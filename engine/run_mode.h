#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/program.h"
#include "layerwise/thread_pool.h"

namespace layerwise {

/// The backend's mode in which the program is fastest, by the median time of whole runs; empty: the
/// usual one. The logger hears the times.
std::string chooseRunMode(const Backend& backend, const Program& program,
                          const std::shared_ptr<ThreadPool>& pool, const Logger& logger);

}  // namespace layerwise
