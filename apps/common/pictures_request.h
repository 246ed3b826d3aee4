#pragma once

#include <string>
#include <vector>

#include "apps/common/command_line.h"
#include "apps/common/input_files.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// What all programs are told of the pictures they run on, and of their results.
struct PicturesRequest {
  std::vector<InputFile> files;
  std::vector<std::string> names;  ///< of the classes; empty: numbers
  std::string out;                 ///< folder of the annotated pictures; empty: the current one
  std::string json;                ///< file of the results; empty: none
  bool save = true;                ///< the annotated pictures
  bool quiet = false;
};

/// --out, --nosave.
void declareOutputOptions(CommandLine& line);

/// Finds the pictures of the words behind the engine.
PicturesRequest readPicturesRequest(const CommandLine& line, const Engine& engine);

/// The class names of --names, or else the engine's own. Throws Error where they are not as many as
/// the engine's classes.
std::vector<std::string> readNames(const CommandLine& line, const Engine& engine);

/// Says at the end how many pictures could not be read; the exit status.
int reportUnreadable(std::int64_t named, std::int64_t met);

}  // namespace layerwise::apps
