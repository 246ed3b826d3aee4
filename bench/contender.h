#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/cpu/conv.h"
#include "bench/workers.h"

#ifdef LAYERWISE_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace layerwise::cpu {

struct Contender {
  std::string name;
  std::function<void()> run;
  double best = 1e9;
};

#ifdef LAYERWISE_BENCH_ONEDNN
inline Contender makeOneDnn(const ConvShape& s, Element element) {
  using namespace dnnl;
  using Tag = memory::format_tag;
  static engine cpu(engine::kind::cpu, 0);
  static stream queue(cpu);
  const bool grouped = s.groups > 1;
  const memory::dims inDims{s.n, s.ci, s.h, s.w}, outDims{s.n, s.co, s.outH(), s.outW()};
  const memory::dims weightDims =
      grouped ? memory::dims{s.groups, s.co / s.groups, s.ci / s.groups, s.kh, s.kw}
              : memory::dims{s.co, s.ci, s.kh, s.kw};
  using Type = memory::data_type;
  const bool isBytes = element == Element::kUInt8;
  const Type type = isBytes ? Type::u8 : element == Element::kBFloat16 ? Type::bf16 : Type::f32;
  const auto any = [](const memory::dims& d, Type of) { return memory::desc(d, of, Tag::any); };
  const convolution_forward::desc desc(
      prop_kind::forward_inference, algorithm::convolution_auto, any(inDims, type),
      any(weightDims, isBytes ? Type::s8 : type),
      memory::desc({s.co}, memory::data_type::f32, Tag::x), any(outDims, type), {s.sh, s.sw},
      {s.pt, s.pl}, {s.pb, s.pr});
  post_ops ops;
  ops.append_eltwise(1.0f, algorithm::eltwise_relu, 0.0f, 0.0f);
  primitive_attr attributes;
  attributes.set_post_ops(ops);
  if (isBytes)
    attributes.set_output_scales(2, std::vector<float>(static_cast<size_t>(s.co), 0.01f));
  const convolution_forward::primitive_desc primitive(desc, attributes, cpu);
  const auto make = [&](const memory::desc& d) {
    return memory(d, cpu, allocate(static_cast<int64_t>(d.get_size() / 4)));
  };
  const std::unordered_map<int, memory> args{{DNNL_ARG_SRC, make(primitive.src_desc())},
                                             {DNNL_ARG_WEIGHTS, make(primitive.weights_desc())},
                                             {DNNL_ARG_BIAS, make(primitive.bias_desc())},
                                             {DNNL_ARG_DST, make(primitive.dst_desc())}};
  const convolution_forward conv(primitive);
  return {fmt::format("onednn {}", primitive.impl_info_str()), [=] {
            conv.execute(queue, args);
            queue.wait();
          }};
}
#endif

}  // namespace layerwise::cpu
