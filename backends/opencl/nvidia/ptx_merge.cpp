#include "backends/opencl/nvidia/ptx_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace layerwise::opencl {
namespace {

constexpr std::size_t kRecordBytes = sizeof(MergedStep);
constexpr std::size_t kConstantLine = 64;
// Of the barrier: a power of two.
constexpr std::size_t kCounters = 4;
// How often a group looks before it gives up, some seconds.
constexpr int kMostLooks = 1 << 22;
// Parts of a resident group that run a virtual group each.
constexpr std::size_t kMostSlots = 4;

bool isWordCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '%';
}

/// Replaces `from` where it stands alone.
void replaceWord(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    const std::size_t end = at + from.size();
    if ((at == 0 || !isWordCharacter(text[at - 1])) &&
        (end == text.size() || !isWordCharacter(text[end]))) {
      text.replace(at, from.size(), to);
      at += to.size();
    } else {
      at = end;
    }
  }
}

/// `@%p1 ld.param.u64 %rd1, [kernel_param_0];` in pieces.
struct Instruction {
  explicit Instruction(std::string_view line) {
    if (line.starts_with('@')) guard = std::string(line.substr(0, line.find(' '))) + " ";
    line.remove_prefix(guard.size());
    opcode = line.substr(0, line.find_first_of(" \t;"));
    line.remove_prefix(std::min(line.find_first_not_of(" \t", opcode.size()), line.size()));
    target = line.substr(0, line.find(','));
  }
  std::string guard, opcode, target;
};

std::string withoutPart(std::string opcode, std::string_view part) {
  const std::size_t at = opcode.find(part), end = at + part.size();
  if (at != std::string::npos && (end == opcode.size() || opcode[end] == '.'))
    opcode.erase(at, part.size());
  return opcode;
}

/// The name in `.const .align 4 .b8 table[32] = {...};`.
std::string constantName(const std::string& definition) {
  const std::size_t bracket = definition.find('[');
  std::size_t begin = bracket;
  while (begin > 0 && isWordCharacter(definition[begin - 1])) --begin;
  return definition.substr(begin, bracket - begin);
}

/// Local memory that each of several groups gets.
std::size_t slotBytesOf(const PtxKernel& kernel) {
  return (kernel.sharedBytes + 1023) / 1024 * 1024;
}

/// A kernel's text as a part of the merged kernel.
class BodyWriter {
 public:
  BodyWriter(const PtxKernel& kernel, std::size_t number, const ResidentShape& shape)
      : kernel_(kernel), number_(number), threads_(kernel.threads()) {
    slots_ = slotsOf(kernel, shape);
    slotBytes_ = slotBytesOf(kernel);
    fillsGroup_ = slots_ * threads_ == static_cast<std::size_t>(shape.threads);
  }

  std::size_t sharedBytes() const {
    return slots_ == 1 ? kernel_.sharedBytes : slots_ * slotBytes_;
  }

  std::string constants() const {
    std::string out;
    for (std::string definition : kernel_.constants) {
      rename(definition);
      out += definition + "\n";
    }
    return out;
  }

  std::string text() {
    out_ = fmt::format("$merged_kernel{}:\n{{\n", number_);
    findThread();
    out_ += "$merged_group:\n";
    findGroup();
    out_ += "{\n";
    for (const std::string& line : kernel_.body) writeLine(line);
    out_ += "$merged_done:\n}\n";
    add("mad.lo.u32 %m_group, %m_resident, {}, %m_group;", slots_);
    if (kernel_.sharedBytes || kernel_.hasBarriers) {
      // The next group reuses local memory.
      add("setp.ge.u32 %mp0, %m_group, %m_groups;");
      add("@%mp0 bra $merged_after;");
      add("bar.warp.sync 0xffffffff;");
      addBarrier();
    }
    add("bra $merged_group;");
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  template <class... T>
  void add(fmt::format_string<T...> line, T&&... parts) {
    out_ += '\t' + fmt::format(line, std::forward<T>(parts)...) + '\n';
  }

  /// Which thread of which virtual group it is; the first such group.
  void findThread() {
    if (!fillsGroup_) {
      add("setp.ge.u32 %mp0, %m_thread, {};", slots_ * threads_);
      add("@%mp0 bra $merged_after;");
    }
    if (slots_ == 1) {
      add("mov.u32 %m_local, %m_thread;");
      add("mov.u32 %m_group, %m_first;");
    } else {
      add("div.u32 %m_slot, %m_thread, {};", threads_);
      add("rem.u32 %m_local, %m_thread, {};", threads_);
      // Neighbours are groups of other multiprocessors.
      add("mad.lo.u32 %m_group, %m_slot, %m_resident, %m_first;");
      if (kernel_.sharedBytes) {
        add("mul.wide.u32 %m_shared, %m_slot, {};", slotBytes_);
        add("mov.u64 %md0, merged_shared;");
        add("add.s64 %m_shared, %m_shared, %md0;");
      }
      for (std::size_t slot = 0; kernel_.hasBarriers && slot < slots_; ++slot)
        add("setp.eq.u32 %mslot{0}, %m_slot, {0};", slot);
    }
    if (plain()) return;
    add("rem.u32 %m_tx, %m_local, {};", kernel_.local[0]);
    add("div.u32 %m0, %m_local, {};", kernel_.local[0]);
    add("rem.u32 %m_ty, %m0, {};", kernel_.local[1]);
    add("div.u32 %m_tz, %m0, {};", kernel_.local[1]);
  }

  /// The virtual group's place, by quotients by the sizes.
  void findGroup() {
    add("setp.ge.u32 %mp0, %m_group, %m_groups;");
    add("@%mp0 bra $merged_after;");
    add("mul.hi.u32 %m0, %m_group, %m_perX;");
    add("setp.eq.u32 %mp0, %m_sizeX, 1;");
    add("selp.u32 %m0, %m_group, %m0, %mp0;");
    add("mul.lo.u32 %m1, %m0, %m_sizeX;");
    add("sub.u32 %m_x, %m_group, %m1;");
    add("mul.hi.u32 %m_z, %m0, %m_perY;");
    add("setp.eq.u32 %mp0, %m_sizeY, 1;");
    add("selp.u32 %m_z, %m0, %m_z, %mp0;");
    add("mul.lo.u32 %m1, %m_z, %m_sizeY;");
    add("sub.u32 %m_y, %m0, %m1;");
  }

  /// A slot's own, by a number in the text, lest the kernel take all barriers there are.
  void addBarrier() {
    for (std::size_t slot = 0; slot < slots_; ++slot)
      add("{}bar.sync {}, {};", slots_ > 1 ? fmt::format("@%mslot{} ", slot) : "", slot + 1,
          threads_);
  }

  void writeLine(std::string line) {
    const Instruction found(line);
    if (found.opcode == "bar.sync") {
      addBarrier();
      return;
    }
    if (found.opcode == "ret") {
      add("{}bra $merged_done;", found.guard);
      return;
    }
    // Others write in the same launch.
    if (found.opcode.starts_with("ld.global"))
      replaceWord(line, found.opcode, withoutPart(found.opcode, ".nc"));
    for (const PtxParameter& parameter : kernel_.parameters)
      if (line.find(parameter.name) != std::string::npos) placeParameter(found, parameter, line);
    for (const PtxKernel::Shared& variable : kernel_.shared)
      if (line.find(variable.name) != std::string::npos) placeShared(found, variable, line);
    if (line.find('%') != std::string::npos) placeRegisters(found, line);
    rename(line);
    out_ += line + '\n';
  }

  void placeParameter(const Instruction& found, const PtxParameter& parameter, std::string& line) {
    const std::size_t at = kRecordBytes + parameter.offset;
    if (parameter.isBuffer && line.find("[" + parameter.name + "]") != std::string::npos) {
      add("ld.param.u64 %md0, [%m_record+{}];", at);
      add("add.s64 %md0, %md0, %m_buffers;");
      line = fmt::format("{}ld.param.u64 {}, [%md0];", found.guard, found.target);
    } else {
      replaceWord(line, parameter.name, fmt::format("%m_record+{}", at));
      if (found.opcode.starts_with("mov.") && line.find("%m_record+") != std::string::npos)
        line = fmt::format("{}add.s64 {}, %m_record, {};", found.guard, found.target, at);
    }
  }

  void placeShared(const Instruction& found, const PtxKernel::Shared& variable, std::string& line) {
    if (slots_ == 1)
      replaceWord(line, variable.name, fmt::format("merged_shared+{}", variable.offset));
    else if (found.opcode.starts_with("mov."))
      line =
          fmt::format("{}add.s64 {}, %m_shared, {};", found.guard, found.target, variable.offset);
    else
      replaceWord(line, variable.name, fmt::format("%m_shared+{}", variable.offset));
  }

  void placeRegisters(const Instruction& found, std::string& line) const {
    static constexpr std::array<const char*, 3> kAxes = {"x", "y", "z"};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const char* name = kAxes[axis];
      replaceWord(line, fmt::format("%ctaid.{}", name), fmt::format("%m_{}", name));
      replaceWord(line, fmt::format("%ntid.{}", name), std::to_string(kernel_.local[axis]));
      if (!plain())
        replaceWord(line, fmt::format("%tid.{}", name), fmt::format("%m_t{}", name));
      else if (axis > 0)
        replaceWord(line, fmt::format("%tid.{}", name), "0");
      else
        replaceWord(line, "%tid.x", "%m_local");
      // Where groups and work items begin to count.
      replaceWord(line, fmt::format("%envreg{}", axis), "0");
      replaceWord(line, fmt::format("%envreg{}", axis + 3), "0");
    }
    for (const char* name : {"%envreg8", "%nctaid.z"})
      if (line.find(name) != std::string::npos)
        line = fmt::format("\tmul.lo.u32 %m0, %m_sizeX, %m_sizeY;\n\t{}div.u32 {}, %m_groups, %m0;",
                           found.guard, found.target);
    for (const char* name : {"%envreg6", "%nctaid.x"}) replaceWord(line, name, "%m_sizeX");
    for (const char* name : {"%envreg7", "%nctaid.y"}) replaceWord(line, name, "%m_sizeY");
  }

  void rename(std::string& line) const {
    for (const std::string& definition : kernel_.constants) {
      const std::string name = constantName(definition);
      replaceWord(line, name, fmt::format("merged{}_{}", number_, name));
    }
  }

  bool plain() const { return kernel_.local[1] == 1 && kernel_.local[2] == 1; }

  const PtxKernel& kernel_;
  std::size_t number_, threads_, slots_ = 1, slotBytes_ = 0;
  bool fillsGroup_ = false;
  std::string out_;
};

// The registers, and what a resident group begins with.
constexpr const char* kBegin = R"(	.reg .pred %mp<4>, %mslot<4>;
	.reg .b32 %m<3>;
	.reg .b64 %md<1>;
	.reg .b32 %m_thread, %m_first, %m_resident, %m_phase;
	.reg .b32 %m_kernel, %m_groups, %m_sizeX, %m_sizeY, %m_perX, %m_perY, %m_flags, %m_bytes;
	.reg .b32 %m_group, %m_slot, %m_local, %m_x, %m_y, %m_z, %m_tx, %m_ty, %m_tz;
	.reg .b64 %m_record, %m_meeting, %m_mine, %m_buffers, %m_shared;
	mov.b64 %m_record, merged_param_0;
	ld.param.u64 %m_meeting, [merged_param_1];
	mov.b64 %m_buffers, merged_param_2;
	mov.u32 %m_thread, %tid.x;
	mov.u32 %m_first, %ctaid.x;
	mov.u32 %m_resident, %nctaid.x;
	and.b32 %m0, %m_first, <last counter>;
	mul.wide.u32 %m_mine, %m0, <counter bytes>;
	add.s64 %m_mine, %m_mine, %m_meeting;
	// A counter's highest bit turns whenever all have come; before this group has, it cannot.
	ld.relaxed.gpu.global.u32 %m_phase, [%m_mine];
	and.b32 %m_phase, %m_phase, 0x80000000;
	ld.param.v4.u32 {%m_kernel, %m_groups, %m_sizeX, %m_sizeY}, [%m_record];
	ld.param.v4.u32 {%m_perX, %m_perY, %m_flags, %m_bytes}, [%m_record+16];
$merged_step:
$merged_targets: .branchtargets <kernels>;
	brx.idx %m_kernel, $merged_targets;
)";

// Behind a step: all groups meet.
constexpr const char* kMeet = R"($merged_after:
	and.b32 %m0, %m_flags, <last>;
	setp.ne.u32 %mp0, %m0, 0;
	@%mp0 ret;
	bar.warp.sync 0xffffffff;
	bar.sync 0;
	cvt.u64.u32 %md0, %m_bytes;
	add.s64 %m_record, %m_record, %md0;
	setp.gt.u32 %mp0, %m_thread, <last counter>;
	@%mp0 bra $merged_met;
	// Who looks is in the way of who counts, so there are several counters, each of which counts all.
	// The first group adds what brings them back to 0 and turns their bit.
	sub.u32 %m0, 0x80000001, %m_resident;
	setp.eq.u32 %mp0, %m_first, 0;
	selp.u32 %m0, %m0, 1, %mp0;
	mul.wide.u32 %md0, %m_thread, <counter bytes>;
	add.s64 %md0, %md0, %m_meeting;
	red.release.gpu.global.add.u32 [%md0], %m0;
	setp.ne.u32 %mp0, %m_thread, 0;
	@%mp0 bra $merged_met;
	mov.u32 %m1, 0;
$merged_look:
	ld.relaxed.gpu.global.u32 %m0, [%m_mine];
	xor.b32 %m0, %m0, %m_phase;
	setp.lt.s32 %mp0, %m0, 0;
	@%mp0 bra $merged_seen;
	add.u32 %m1, %m1, 1;
	setp.lt.u32 %mp0, %m1, <looks>;
	@%mp0 bra $merged_look;
	and.b32 %m0, %m_flags, <traps>;
	setp.ne.u32 %mp0, %m0, 0;
	@%mp0 trap;
	setp.eq.u32 %mp1, 0, 0;
	bra $merged_meet;
$merged_seen:
	// Looking relaxed leaves the first-level cache to the others of this multiprocessor.
	ld.acquire.gpu.global.u32 %m0, [%m_mine];
$merged_met:
	setp.ne.u32 %mp1, 0, 0;
	ld.param.v4.u32 {%m_kernel, %m_groups, %m_sizeX, %m_sizeY}, [%m_record];
	ld.param.v4.u32 {%m_perX, %m_perY, %m_flags, %m_bytes}, [%m_record+16];
	// What the next step takes comes into the constant cache; the flags' upper half is 0.
	mov.u32 %m1, 0;
<read ahead>	shr.u32 %m0, %m_flags, 16;
	and.b32 %m1, %m1, %m0;
	xor.b32 %m_phase, %m_phase, %m1;
$merged_meet:
	bar.warp.sync 0xffffffff;
	barrier.cta.red.or.pred %mp1, 0, %mp1;
	@%mp1 ret;
	xor.b32 %m_phase, %m_phase, 0x80000000;
	bra $merged_step;
}
)";

}  // namespace

std::size_t slotsOf(const PtxKernel& kernel, const ResidentShape& shape) {
  std::size_t slots =
      std::min(static_cast<std::size_t>(shape.threads) / kernel.threads(), kMostSlots);
  if (slots * slotBytesOf(kernel) > kMostSharedBytes)
    slots = kMostSharedBytes / slotBytesOf(kernel);
  return std::max<std::size_t>(slots, 1);
}

std::string mergePtx(std::span<const PtxKernel> kernels, std::size_t tableBytes,
                     std::size_t buffers, const ResidentShape& shape) {
  std::string version = "8.1", target, constants, bodies, targets, readAhead;
  std::size_t shared = 0, record = 0;
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const PtxKernel& kernel = kernels[k];
    version = std::max(version, kernel.version);
    // sm_90a can do what sm_90 can.
    if (target.empty() || kernel.target.starts_with("sm_90a")) target = kernel.target;
    BodyWriter writer(kernel, k, shape);
    bodies += writer.text();
    constants += writer.constants();
    shared = std::max(shared, writer.sharedBytes());
    record = std::max(record, kRecordBytes + kernel.parameterBytes);
    targets += fmt::format("{}$merged_kernel{}", k ? ", " : "", k);
  }
  for (std::size_t at = kRecordBytes; at < record; at += kConstantLine)
    readAhead += fmt::format("\tld.param.u32 %m0, [%m_record+{}];\n\txor.b32 %m1, %m1, %m0;\n", at);

  std::string out = fmt::format(
      ".version {}\n.target {}\n.address_size 64\n{}\n.entry merged(\n"
      "\t.param .align 16 .b8 merged_param_0[{}],\n"
      "\t.param .u64 .ptr .global .align 4 merged_param_1",
      version, target, constants, tableBytes);
  for (std::size_t b = 0; b < buffers; ++b)
    out += fmt::format(",\n\t.param .u64 .ptr .global .align 16 merged_param_{}", b + 2);
  out += fmt::format("\n)\n.reqntid {}, 1, 1\n.minnctapersm {}\n{{\n", shape.threads,
                     shape.groupsPerUnit);
  if (shared) out += fmt::format("\t.shared .align 1024 .b8 merged_shared[{}];\n", shared);
  out += kBegin + bodies + kMeet;
  for (const auto& [name, text] :
       {std::pair<std::string_view, std::string>{"<kernels>", targets},
        {"<read ahead>", readAhead},
        {"<last counter>", std::to_string(kCounters - 1)},
        {"<counter bytes>", std::to_string(kMergedBarrierBytes / kCounters)},
        {"<last>", std::to_string(MergedStep::kLast)},
        {"<traps>", std::to_string(MergedStep::kTraps)},
        {"<looks>", std::to_string(kMostLooks)}})
    for (std::size_t at = 0; (at = out.find(name, at)) != std::string::npos; at += text.size())
      out.replace(at, name.size(), text);
  return out;
}

}  // namespace layerwise::opencl
