// The merging of kernels at the level of PTX text: on small modules in the style of NVIDIA's
// driver, by what the text says and, where ptxas is there, by whether it assembles.
#include <gtest/gtest.h>

#ifdef LAYERWISE_HAS_OPENCL

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "backends/opencl/nvidia/ptx_merge.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr const char* kHead =
    ".version 8.0\n.target sm_90, texmode_independent\n.address_size 64\n";

/// `out[i] = in[i + offset] * factor` by items.
std::string scaleModule(const std::string& extra = "") {
  return std::string(kHead) + R"(
.entry scale(
	.param .u64 .ptr .global .align 4 scale_param_0,
	.param .u64 scale_param_1,
	.param .u64 .ptr .global .align 4 scale_param_2,
	.param .f32 scale_param_3,
	.param .align 8 .b8 scale_param_4[24]
)
{
	.reg .pred 	%p<2>;
	.reg .f32 	%f<3>;
	.reg .b32 	%r<8>;
	.reg .b64 	%rd<9>;

	ld.param.u64 	%rd1, [scale_param_0];
	ld.param.u64 	%rd2, [scale_param_1];
	ld.param.u64 	%rd3, [scale_param_2];
	ld.param.f32 	%f1, [scale_param_3];
	mov.b64 	%rd4, scale_param_4;
	ld.param.u32 	%r1, [scale_param_4+8];
	ld.param.u32 	%r2, [%rd4+12];
	mov.b32 	%r3, %envreg3;
	mov.u32 	%r4, %ntid.x;
	mov.u32 	%r5, %ctaid.x;
	mad.lo.s32 	%r6, %r5, %r4, %r3;
	mov.u32 	%r7, %tid.x;
	add.s32 	%r6, %r6, %r7;
	setp.ge.s32 	%p1, %r6, %r1;
	@%p1 ret;
	mul.wide.s32 	%rd5, %r6, 4;
	add.s64 	%rd6, %rd1, %rd5;
	ld.global.nc.f32 	%f2, [%rd6];
)" + extra +
         R"(	mul.f32 	%f2, %f2, %f1;
	add.s64 	%rd7, %rd3, %rd5;
	st.global.f32 	[%rd7], %f2;
$L__BB0_2:
	ret;

}
)";
}

/// Turns 64 numbers around in local memory, by a square of items, and counts groups.
std::string turnModule() {
  return std::string(kHead) + R"(
.const .align 4 .b8 order[8] = {1, 0, 0, 0,
 2, 0, 0, 0};

.entry other(
	.param .u32 other_param_0
)
{
	ret;
}

.entry turn(
	.param .u64 .ptr .global .align 4 turn_param_0,
	.param .u64 .ptr .global .align 4 turn_param_1
)
.reqntid 8, 8, 1
{
	.reg .b32 	%r<12>;
	.reg .b64 	%rd<12>;
	// demoted variable
	.shared .align 4 .b8 turn_$_part[256];

	ld.param.u64 	%rd1, [turn_param_0];
	ld.param.u64 	%rd2, [turn_param_1];
	mov.u32 	%r1, %tid.x;
	mov.u32 	%r2, %tid.y;
	mad.lo.s32 	%r3, %r2, 8, %r1;
	mul.wide.u32 	%rd3, %r3, 4;
	add.s64 	%rd4, %rd1, %rd3;
	ld.global.u32 	%r4, [%rd4];
	mov.u64 	%rd5, turn_$_part;
	sub.s64 	%rd6, %rd5, %rd3;
	st.shared.u32 	[%rd6+252], %r4;
	bar.sync 	0;
	add.s64 	%rd7, %rd5, %rd3;
	ld.shared.u32 	%r5, [%rd7];
	ld.shared.u32 	%r6, [turn_$_part+4];
	mov.b32 	%r7, %envreg6;
	mov.b32 	%r8, %envreg8;
	mov.u64 	%rd8, order;
	ld.const.u32 	%r9, [%rd8+4];
	add.s32 	%r5, %r5, %r6;
	add.s32 	%r5, %r5, %r7;
	mad.lo.s32 	%r5, %r5, %r8, %r9;
	add.s64 	%rd9, %rd2, %rd3;
	st.global.u32 	[%rd9], %r5;
	ret;

}
)" + std::string(1, '\0') +
         "what is behind the text's end";
}

std::string errorOf(const std::string& module, const std::string& entry) {
  try {
    parsePtx(module, entry, {64, 1, 1});
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(PtxMerge, ReadsParameters) {
  const PtxKernel kernel = parsePtx(scaleModule(), "scale", {64, 1, 1});
  ASSERT_EQ(kernel.parameters.size(), 5u);
  const std::size_t offsets[] = {0, 8, 16, 24, 32}, bytes[] = {8, 8, 8, 4, 24};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(kernel.parameters[i].name, fmt::format("scale_param_{}", i));
    EXPECT_EQ(kernel.parameters[i].offset, offsets[i]);
    EXPECT_EQ(kernel.parameters[i].bytes, bytes[i]);
    EXPECT_EQ(kernel.parameters[i].isBuffer, i == 0 || i == 2);
  }
  EXPECT_EQ(kernel.parameterBytes, 56u);
  EXPECT_EQ(kernel.version, "8.0");
  EXPECT_EQ(kernel.target, "sm_90, texmode_independent");
  EXPECT_FALSE(kernel.hasBarriers);
}

TEST(PtxMerge, ReadsTheKernelThatIsAskedFor) {
  const PtxKernel kernel = parsePtx(turnModule(), "turn", {8, 8, 1});
  EXPECT_EQ(kernel.parameters.size(), 2u);
  ASSERT_EQ(kernel.shared.size(), 1u);
  EXPECT_EQ(kernel.shared[0].name, "turn_$_part");
  EXPECT_EQ(kernel.sharedBytes, 256u);
  EXPECT_TRUE(kernel.hasBarriers);
  ASSERT_EQ(kernel.constants.size(), 1u);
  EXPECT_TRUE(holds(kernel.constants[0], "2, 0, 0, 0};"));
  EXPECT_EQ(parsePtx(turnModule(), "other", {32, 1, 1}).body.size(), 1u);
  EXPECT_EQ(errorOf(turnModule(), "tur"), "[ptx kernel tur] is not there");
}

TEST(PtxMerge, RefusesWhatMeansSomethingElse) {
  EXPECT_EQ(errorOf(scaleModule("\tcall.uni f, (%r1);\n"), "scale"),
            "[ptx kernel scale] holds \"call.uni f, (%r1);\"");
  for (const std::string line :
       {"mov.u32 %r1, %smid;", "mov.u32 %r1, %nctaid;", "mov.b32 %r1, %envreg9;",
        "mov.u64 %rd8, %clock64;", "bar.sync 1;", "bar.arrive 0, 64;", "barrier.sync 0;", "exit;",
        "{ bar.sync 0; }", "mov.b64 %rd8, scale_param_0;", "ld.param.u32 %r1, [scale_param_2+4];",
        "griddepcontrol.wait;"})
    EXPECT_TRUE(holds(errorOf(scaleModule("\t" + line + "\n"), "scale"),
                      "[ptx kernel scale] holds \"" + line))
        << line << ": " << errorOf(scaleModule("\t" + line + "\n"), "scale");
  EXPECT_TRUE(holds(errorOf(".func f()\n{\n ret;\n}\n" + scaleModule(), "scale"), "stands beside"));
  std::string shared = scaleModule();
  shared.replace(shared.find(".global"), 7, ".shared");
  EXPECT_TRUE(holds(errorOf(shared, "scale"), "a parameter that points to .shared"));
}

TEST(PtxMerge, ReplacesWhatIsTheMergedKernels) {
  const PtxKernel kernel = parsePtx(scaleModule(), "scale", {64, 1, 1});
  const std::string text = mergePtx({&kernel, 1}, 4096, 2, {128, 3});
  EXPECT_TRUE(holds(text, ".reqntid 128, 1, 1\n.minnctapersm 3\n"));
  EXPECT_TRUE(holds(text, ".param .align 16 .b8 merged_param_0[4096],"));
  EXPECT_TRUE(holds(text, "merged_param_3\n)"));
  EXPECT_FALSE(holds(text, "merged_param_4"));
  for (const std::string gone : {"scale_param", "%ctaid.y", "%envreg", "%ntid", ".nc.", "@%p1 ret",
                                 "<last", "<looks", "<kernels", "<traps", "<counter", "<read"})
    EXPECT_FALSE(holds(text.substr(text.find('{')), gone)) << gone;
  // A number, the address of one, and a buffer, which the record numbers; records begin with 32
  // bytes of their own.
  EXPECT_TRUE(holds(text, "ld.param.u32 \t%r1, [%m_record+64+8];"));
  EXPECT_TRUE(holds(text, "add.s64 %rd4, %m_record, 64;"));
  EXPECT_TRUE(holds(text,
                    "ld.param.u64 %md0, [%m_record+48];\n\tadd.s64 %md0, %md0, %m_buffers;\n"
                    "ld.param.u64 %rd3, [%md0];"));
  EXPECT_TRUE(holds(text, "ld.global.f32"));
  EXPECT_TRUE(holds(text, "@%p1 bra $merged_done;"));
  // Two groups side by side.
  EXPECT_TRUE(holds(text, "mov.u32 \t%r7, %m_local;"));
  EXPECT_TRUE(holds(text, "mad.lo.u32 %m_group, %m_resident, 2, %m_group;"));
}

TEST(PtxMerge, GivesEachSlotABarrierAndLocalMemory) {
  const PtxKernel kernel = parsePtx(turnModule(), "turn", {8, 8, 1});
  const std::string two = mergePtx({&kernel, 1}, 4096, 2, {128, 3});
  EXPECT_TRUE(holds(two, "@%mslot0 bar.sync 1, 64;\n\t@%mslot1 bar.sync 2, 64;"));
  EXPECT_TRUE(holds(two, ".b8 merged_shared[2048];"));
  EXPECT_TRUE(holds(two, "add.s64 %rd5, %m_shared, 0;"));
  EXPECT_TRUE(holds(two, "[%m_shared+0+4]"));
  const std::string one = mergePtx({&kernel, 1}, 4096, 2, {64, 3});
  EXPECT_TRUE(holds(one, "\tbar.sync 1, 64;"));
  EXPECT_FALSE(holds(one, "mslot0 bar"));
  EXPECT_TRUE(holds(one, "mov.u64 \t%rd5, merged_shared+0;"));
  EXPECT_TRUE(holds(one, "[merged_shared+0+4]"));
  PtxKernel large = kernel;
  large.sharedBytes = 40 * 1024;
  EXPECT_TRUE(holds(mergePtx({&large, 1}, 4096, 2, {128, 3}), ".b8 merged_shared[40960];"));
}

TEST(PtxMerge, KeepsTablesApartAndTakesTheNewestTarget) {
  PtxKernel kernels[] = {parsePtx(turnModule(), "turn", {8, 8, 1}),
                         parsePtx(turnModule(), "turn", {8, 8, 1}),
                         parsePtx(scaleModule(), "scale", {128, 1, 1})};
  kernels[1].target = "sm_90a, texmode_independent", kernels[2].version = "8.4";
  const std::string text = mergePtx(kernels, 4096, 3, {128, 2});
  EXPECT_TRUE(holds(text, "merged0_order[8]"));
  EXPECT_TRUE(holds(text, "mov.u64 \t%rd8, merged1_order;"));
  EXPECT_TRUE(holds(text, ".version 8.4\n.target sm_90a, texmode_independent\n"));
  EXPECT_TRUE(holds(text, ".branchtargets $merged_kernel0, $merged_kernel1, $merged_kernel2;"));
}

TEST(PtxMerge, InversesDivide) {
  for (std::uint32_t size : {1u, 2u, 3u, 7u, 64u, 100u, 1000u, 65535u})
    for (std::uint64_t n : {0u, 1u, 6u, 7u, 63u, 64u, 99u, 999u, 1000u, 65534u, 65535u, 65536u}) {
      if (n * size >= std::uint64_t{1} << 32) continue;
      const std::uint64_t quotient = size == 1 ? n : n * mergedInverse(size) >> 32;
      EXPECT_EQ(quotient, n / size) << n << " by " << size;
    }
}

TEST(PtxMerge, Assembles) {
  const char* given = std::getenv("PTXAS");
  std::string ptxas = given ? given : "/usr/local/cuda/bin/ptxas";
  if (!std::filesystem::exists(ptxas)) GTEST_SKIP() << "no " << ptxas << "; PTXAS may name it";
  PtxKernel kernels[] = {parsePtx(turnModule(), "turn", {8, 8, 1}),
                         parsePtx(scaleModule(), "scale", {96, 1, 1})};
  for (const ResidentShape shape : {ResidentShape{96, 3}, {128, 2}, {128, 3}, {256, 2}}) {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() /
        fmt::format("ptx_merge_{}_{}.ptx", shape.threads, shape.groupsPerUnit);
    std::ofstream(file) << mergePtx(kernels, 4096, 3, shape);
    EXPECT_EQ(
        std::system(fmt::format("{} -arch=sm_90 -o /dev/null {}", ptxas, file.string()).c_str()),
        0);
    std::filesystem::remove(file);
  }
}

}  // namespace
}  // namespace layerwise::opencl

#endif
