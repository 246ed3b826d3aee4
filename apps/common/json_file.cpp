#include "apps/common/json_file.h"

#include <fmt/format.h>

#include "apps/common/files.h"

namespace layerwise::apps {

void writeJson(const std::string& path, const nlohmann::ordered_json& json) {
  using Handler = nlohmann::ordered_json::error_handler_t;
  const std::string text = json.dump(1, ' ', false, Handler::replace) + "\n";
  if (path == "-")
    fmt::print("{}", text);
  else
    writeFile(path, text, "results");
}

}  // namespace layerwise::apps
