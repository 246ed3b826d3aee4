#include "backends/opencl/host_tensor.h"

#include <cstdint>
#include <cstring>

namespace layerwise::opencl {
namespace {

constexpr std::size_t kAlignment = 64;

std::byte* aligned(std::vector<std::byte>& memory) {
  auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return memory.data() + (kAlignment - address % kAlignment) % kAlignment;
}

/// Calls f(offset of the element in the view, its number in row-major order), both in elements.
template <class F>
void forEachElement(const BufferView& view, F&& f) {
  std::int64_t count = view.dims.volume();
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t offset = 0, rest = i;
    for (int axis = view.dims.rank() - 1; axis >= 0; rest /= view.dims[axis--])
      offset += rest % view.dims[axis] * view.strides[axis];
    f(static_cast<std::size_t>(offset), static_cast<std::size_t>(i));
  }
}

}  // namespace

HostTensor::HostTensor(const BufferView& view, bool dense)
    : view_(view), packs_(dense && !view.isDense()) {
  if (view.dims.volume() > 0) {
    std::int64_t last = 0;
    for (int axis = 0; axis < view.dims.rank(); ++axis)
      last += (view.dims[axis] - 1) * view.strides[axis];
    bytes_ = static_cast<std::size_t>(last + 1) * sizeOf(view.type);
  }
  memory_.resize(bytes_ + 2 * kAlignment);
  if (packs_)
    packedMemory_.resize(static_cast<std::size_t>(view.dims.volume()) * sizeOf(view.type) +
                         2 * kAlignment);
}

std::byte* HostTensor::spanned() {
  return aligned(memory_);
}

std::byte* HostTensor::packed() {
  return aligned(packedMemory_);
}

void HostTensor::fetch(const cl::CommandQueue& queue, const cl::Buffer& buffer) {
  if (bytes_ == 0) return;
  queue.enqueueReadBuffer(buffer, CL_TRUE, view_.byteOffset, bytes_, spanned());
  if (!packs_) return;
  std::size_t size = sizeOf(view_.type);
  forEachElement(view_, [&](std::size_t offset, std::size_t number) {
    std::memcpy(packed() + number * size, spanned() + offset * size, size);
  });
}

void HostTensor::store(const cl::CommandQueue& queue, const cl::Buffer& buffer) {
  if (bytes_ == 0) return;
  std::size_t size = sizeOf(view_.type);
  if (packs_)
    forEachElement(view_, [&](std::size_t offset, std::size_t number) {
      std::memcpy(spanned() + offset * size, packed() + number * size, size);
    });
  queue.enqueueWriteBuffer(buffer, CL_TRUE, view_.byteOffset, bytes_, spanned());
}

TensorView HostTensor::view() {
  if (!packs_) return {view_.type, view_.dims, view_.strides, spanned()};
  return {view_.type, view_.dims, denseStrides(Layout::linear(view_.type), view_.dims), packed()};
}

}  // namespace layerwise::opencl
