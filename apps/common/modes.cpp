#include "apps/common/modes.h"

#include "apps/common/program.h"

namespace layerwise::apps {

void declareModes(CommandLine& line, const char* runHelp, const char* validateHelp) {
  line.flag("s,serialize", "Build an engine from weights: WEIGHTS ENGINE");
  line.flag("d,detect", runHelp);
  line.flag("t,test", "The same as -d");
  line.flag("val", validateHelp);
}

Mode readMode(const CommandLine& line) {
  const bool build = line.isSet("serialize"), validate = line.isSet("val"),
             run = line.isSet("detect") || line.isSet("test");
  if (build + validate + run > 1)
    throw UsageError("[command line] only one of -s, -d and --val can be meant");
  return build ? Mode::kBuild : validate ? Mode::kValidate : Mode::kRun;
}

}  // namespace layerwise::apps
