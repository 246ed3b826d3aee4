#include "backends/opencl/discovery.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace layerwise::opencl {
namespace {

int rankOf(const cl::Device& device) {
  cl_device_type type = device.getInfo<CL_DEVICE_TYPE>();
  return type & CL_DEVICE_TYPE_GPU ? 0 : type & CL_DEVICE_TYPE_CPU ? 2 : 1;
}

bool isUsable(const cl::Device& device) {
  return device.getInfo<CL_DEVICE_AVAILABLE>() && device.getInfo<CL_DEVICE_COMPILER_AVAILABLE>();
}

std::vector<std::unique_ptr<const Device>> discover() {
  struct Found {
    cl::Device device;
    cl::Platform platform;
    int rank;
  };
  std::vector<Found> found;
  // A platform that fails is as good as absent: the others must stay usable.
  std::vector<cl::Platform> platforms;
  try {
    cl::Platform::get(&platforms);
  } catch (const cl::Error&) {
  }
  for (const cl::Platform& platform : platforms) {
    try {
      std::vector<cl::Device> list;
      platform.getDevices(CL_DEVICE_TYPE_ALL, &list);
      for (const cl::Device& device : list)
        if (isUsable(device)) found.push_back({device, platform, rankOf(device)});
    } catch (const cl::Error&) {
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.rank < b.rank; });
  std::vector<std::unique_ptr<const Device>> all;
  for (const Found& f : found) all.push_back(std::make_unique<Device>(f.device, f.platform));
  return all;
}

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return made;
}

}  // namespace

const std::vector<std::unique_ptr<const Device>>& devices() {
  // Never destroyed: drivers take themselves down before static objects are.
  static const auto* all = new std::vector<std::unique_ptr<const Device>>(discover());
  return *all;
}

const Device* findDevice(std::string_view name) {
  constexpr std::string_view kPrefix = "opencl";
  const auto& all = devices();
  if (name.empty()) return nullptr;
  if (name == kPrefix) return all.empty() ? nullptr : all.front().get();
  if (name.starts_with("opencl:")) {
    std::string_view digits = name.substr(kPrefix.size() + 1);
    std::size_t number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    bool valid = error == std::errc() && end == digits.data() + digits.size();
    return valid && number < all.size() ? all[number].get() : nullptr;
  }
  std::string wanted = lower(name);
  for (const auto& device : all)
    if (lower(device->info().name).find(wanted) != std::string::npos) return device.get();
  return nullptr;
}

}  // namespace layerwise::opencl
