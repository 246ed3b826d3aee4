#pragma once

#include <memory>

#include "apps/common/command_line.h"
#include "apps/common/modes.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// Names the most probable classes of pictures, or, with Mode::kValidate, counts on a data set how
/// often the right one is first and among the first five. The options --topk, --names, --batch,
/// --out, --nosave and --json are read where they are declared. Returns the exit status.
int classify(const CommandLine& line, std::shared_ptr<const Engine> engine, Mode mode);

}  // namespace layerwise::apps
