#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "backends/opencl/nvidia/ptx_merge.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

[[noreturn]] void refuse(std::string_view entry, std::string_view why) {
  throw Error(ErrorCode::kUnsupported, fmt::format("[ptx kernel {}] {}", entry, why));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  while (!(text = trimmed(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    found.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return found;
}

std::size_t number(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

std::size_t roundedUp(std::size_t value, std::size_t to) {
  return (value + to - 1) / to * to;
}

/// Bytes of a type ".b8", ".u32"; 0 where it is none.
std::size_t bytesOf(std::string_view type) {
  if (type.size() < 3 || type[0] != '.' ||
      std::string_view("bufs").find(type[1]) == std::string_view::npos)
    return 0;
  return number(type.substr(2)) / 8;
}

/// `.align 8 .b8 name[232]`, or `.u32 name`.
struct Declaration {
  std::string name;
  std::size_t align = 0, bytes = 0;
  std::string_view space;  ///< of what a pointer points to
};
std::optional<Declaration> declaration(std::string_view text) {
  while (!text.empty() && (text.back() == ',' || text.back() == ';')) text.remove_suffix(1);
  Declaration made;
  std::size_t element = 0, align = 0;
  const auto parts = words(text);
  bool pointer = false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == ".align" && i + 1 < parts.size())
      align = number(parts[++i]);
    else if (parts[i] == ".ptr")
      pointer = true;
    else if (const std::size_t bytes = bytesOf(parts[i]))
      element = bytes;
    else if (pointer && parts[i].starts_with('.'))
      made.space = parts[i];
    else if (!parts[i].starts_with('.'))
      made.name = parts[i];
  }
  if (made.name.empty() || element == 0) return std::nullopt;
  std::size_t count = 1;
  if (const std::size_t bracket = made.name.find('['); bracket != std::string::npos) {
    count = number(std::string_view(made.name).substr(bracket + 1));
    made.name.resize(bracket);
  }
  made.bytes = element * count;
  made.align = pointer ? element : std::max(element, align);
  return made;
}

void takeParameter(PtxKernel& kernel, std::string_view entry, std::string_view line) {
  const auto found = declaration(line);
  if (!found) refuse(entry, fmt::format("has an unknown parameter: {}", line));
  if (!found->space.empty() && found->space != ".global")
    refuse(entry, fmt::format("has a parameter that points to {}", found->space));
  kernel.parameterBytes = roundedUp(kernel.parameterBytes, found->align);
  kernel.parameters.push_back(
      {found->name, kernel.parameterBytes, found->bytes, found->space == ".global"});
  kernel.parameterBytes += found->bytes;
}

/// Refuses what would mean something else in a resident group, or is not known to mean the same.
class LineCheck {
 public:
  LineCheck(const PtxKernel& kernel, std::string_view entry, std::string_view line)
      : kernel_(kernel), entry_(entry), line_(line) {}

  void run() const {
    const std::string_view code = withoutGuard(line_);
    checkInstruction(code, true);
    // Several in a line, as in statements of the compiler's own; the pieces of lists do no harm.
    for (std::string_view rest = code; !rest.empty();) {
      const std::size_t end = std::min(rest.find_first_of("{};"), rest.size());
      const std::string_view piece = trimmed(rest.substr(0, end));
      if (piece.data() != code.data()) checkInstruction(withoutGuard(piece), false);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    checkRegisters(code);
    for (const PtxParameter& parameter : kernel_.parameters)
      if (parameter.isBuffer && code.find(parameter.name) != std::string_view::npos &&
          !isNumbered(code, parameter.name) && !loads(code, parameter.name))
        refused();
  }

 private:
  [[noreturn]] void refused() const { refuse(entry_, fmt::format("holds \"{}\"", line_)); }

  static std::string_view withoutGuard(std::string_view code) {
    if (code.starts_with('@')) code.remove_prefix(std::min(code.find(' '), code.size()));
    return trimmed(code);
  }

  void checkInstruction(std::string_view code, bool alone) const {
    const std::string_view opcode = code.substr(0, code.find_first_of(" \t;"));
    auto begins = [&](std::string_view name) { return opcode.starts_with(name); };
    if (begins("call") || opcode == "exit" || begins("barrier.") || begins("griddepcontrol"))
      refused();
    if (begins("bar.") && opcode != "bar.warp.sync" &&
        (!alone || opcode != "bar.sync" || trimmed(code.substr(opcode.size())) != "0;"))
      refused();
    if (!alone && (opcode == "ret" || begins("ld.param") || begins("ld.global"))) refused();
  }

  void checkRegisters(std::string_view code) const {
    static constexpr std::string_view kKnown[] = {"%tid.",    "%ntid.",  "%ctaid.",
                                                  "%nctaid.", "%envreg", "%laneid"};
    static constexpr std::string_view kSpecial[] = {
        "%tid",      "%ntid",    "%ctaid",  "%nctaid",   "%envreg",  "%laneid",  "%warpid",
        "%nwarpid",  "%smid",    "%nsmid",  "%gridid",   "%clock",   "%pm",      "%globaltimer",
        "%dynamic_", "%total_s", "%aggr_s", "%is_expli", "%cluster", "%current", "%reserved_"};
    for (std::size_t at = 0; (at = code.find('%', at)) != std::string_view::npos; ++at) {
      const std::string_view rest = code.substr(at);
      auto begins = [&](std::string_view name) { return rest.starts_with(name); };
      if (std::any_of(std::begin(kSpecial), std::end(kSpecial), begins) &&
          std::none_of(std::begin(kKnown), std::end(kKnown), begins))
        refused();
      // Where groups (0 to 2) and items (3 to 5) begin, and how many groups there are.
      if (begins("%envreg") && number(rest.substr(7)) > 8) refused();
    }
  }

  /// Whether `name` is only the beginning of another parameter's.
  static bool isNumbered(std::string_view code, std::string_view name) {
    for (std::size_t at = 0; (at = code.find(name, at)) != std::string_view::npos;) {
      at += name.size();
      if (at == code.size() || code[at] < '0' || code[at] > '9') return false;
    }
    return true;
  }

  static bool loads(std::string_view code, std::string_view name) {
    return code.starts_with("ld.param.u64 ") || code.starts_with("ld.param.u64\t")
               ? code.ends_with(fmt::format("[{}];", name))
               : false;
  }

  const PtxKernel& kernel_;
  std::string_view entry_, line_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text.substr(0, text.find('\0'))) {}
  bool next(std::string_view& line) {
    if (text_.empty()) return false;
    const std::size_t end = text_.find('\n');
    line = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    return true;
  }

 private:
  std::string_view text_;
};

int depthOf(std::string_view line) {
  return static_cast<int>(std::count(line.begin(), line.end(), '{') -
                          std::count(line.begin(), line.end(), '}'));
}

}  // namespace

PtxKernel parsePtx(std::string_view module, std::string_view entry,
                   const std::array<std::size_t, 3>& local) {
  PtxKernel kernel;
  kernel.local = local;
  Reader reader(module);
  const std::string header = fmt::format(".entry {}(", entry);
  bool found = false, ended = false;
  for (std::string_view line, code; reader.next(line);) {
    code = trimmed(line.substr(0, line.find("//")));
    if (code.starts_with(".version ")) kernel.version = trimmed(code.substr(9));
    if (code.starts_with(".target ")) kernel.target = trimmed(code.substr(8));
    for (std::string_view directive : {".func", ".visible .func", ".weak", ".extern", ".global"})
      if (code.starts_with(directive)) refuse(entry, fmt::format("stands beside \"{}\"", code));
    if (code.starts_with(".const")) {
      std::string definition(code);
      while (!definition.ends_with(';') && reader.next(line))
        definition += "\n" + std::string(trimmed(line));
      kernel.constants.push_back(std::move(definition));
    }
    if (!code.starts_with(".entry ") && !code.starts_with(".visible .entry ")) continue;
    const bool wanted = code.ends_with(header);
    while (reader.next(line) && !(code = trimmed(line)).starts_with(')'))
      if (wanted) takeParameter(kernel, entry, code.substr(code.find(".param") + 6));
    while (!trimmed(line).starts_with('{') && reader.next(line)) {
    }
    int depth = 1;
    while (depth > 0 && reader.next(line)) {
      code = trimmed(line.substr(0, line.find("//")));
      depth += depthOf(code);
      if (!wanted || depth == 0 || code.empty()) continue;
      if (code.starts_with(".shared ")) {
        const auto variable = declaration(code.substr(8));
        if (!variable) refuse(entry, fmt::format("holds \"{}\"", code));
        kernel.sharedBytes = roundedUp(kernel.sharedBytes, variable->align);
        kernel.shared.push_back({variable->name, kernel.sharedBytes});
        kernel.sharedBytes += variable->bytes;
        continue;
      }
      LineCheck(kernel, entry, code).run();
      kernel.hasBarriers = kernel.hasBarriers || code.find("bar.sync") != std::string_view::npos;
      kernel.body.emplace_back(code);
    }
    found = found || wanted;
    ended = ended || (wanted && depth == 0);
  }
  if (!found || !ended || kernel.version.empty() || kernel.target.empty())
    throw Error(ErrorCode::kBadFile, fmt::format("[ptx kernel {}] is not there", entry));
  return kernel;
}

}  // namespace layerwise::opencl
