// Compares WeightMap::load with the loop that programs of the wts route read weights with, on the
// same plain file, warm. Takes a path, or makes a file of 30 MB.
//
//   wts_bench [FILE.wts]
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "layerwise/error.h"
#include "layerwise/weights.h"

namespace {

using layerwise::WeightMap;

struct Times {
  double wall = 1e30;  ///< seconds, the smallest seen
  double cpu = 1e30;   ///< seconds of all threads, the smallest seen
};

double cpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return t.tv_sec + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <typename Call>
void measure(Times& times, const Call& call) {
  const double cpu = cpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  call();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  times.wall = std::min(times.wall, wall.count());
  times.cpu = std::min(times.cpu, cpuSeconds() - cpu);
}

std::map<std::string, std::vector<std::uint32_t>> readWithStreams(const std::string& path) {
  std::map<std::string, std::vector<std::uint32_t>> tensors;
  std::ifstream input(path);
  std::int32_t count = 0;
  input >> count;
  while (count-- > 0) {
    std::string key;
    std::uint32_t size = 0;
    input >> key >> std::dec >> size;
    std::vector<std::uint32_t> values(size);
    for (std::uint32_t& value : values) input >> std::hex >> value;
    tensors.emplace(std::move(key), std::move(values));
  }
  return tensors;
}

// The sizes are those of a small detector: many little tensors beside a few large ones.
void makeFile(const std::string& path) {
  WeightMap map;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::size_t total = 0;
  for (int layer = 0; total < 30'000'000 / 9; ++layer) {
    const std::size_t channels = std::size_t{32} << (layer % 5);
    for (const auto& [name, size] :
         {std::pair<const char*, std::size_t>{"conv.weight", channels * channels},
          {"bn.weight", channels},
          {"bn.bias", channels}}) {
      std::vector<float> values(size);
      for (float& value : values) value = normal(random);
      map.add(fmt::format("model.{}.{}", layer, name), std::move(values));
      total += size;
    }
  }
  map.save(path);
}

bool equal(const WeightMap& map, const std::map<std::string, std::vector<std::uint32_t>>& tensors) {
  if (map.keys().size() != tensors.size()) return false;
  for (const auto& [key, values] : tensors) {
    const layerwise::Weights weights = map.find(key);
    if (weights.count != static_cast<std::int64_t>(values.size())) return false;
    if (!values.empty() && std::memcmp(weights.values, values.data(), values.size() * 4) != 0)
      return false;
  }
  return true;
}

int compare(const std::string& path) {
  constexpr int kRounds = 5, kLoadsEachRound = 8;
  constexpr std::array kThreads = {1, 2};
  const auto reference = readWithStreams(path);
  Times streams;
  std::array<Times, kThreads.size()> loads;
  for (int round = 0; round < kRounds; ++round) {
    measure(streams, [&] { readWithStreams(path); });
    for (int i = 0; i < kLoadsEachRound; ++i)
      for (std::size_t t = 0; t < kThreads.size(); ++t)
        measure(loads[t], [&] { WeightMap::load(path, kThreads[t]); });
  }
  const double megabytes = 1e-6 * static_cast<double>(std::filesystem::file_size(path));
  fmt::print("{:.1f} MB, {} tensors\n", megabytes, reference.size());
  // On a busy machine the ratio of wall times says little; that of processor times still holds.
  fmt::print("{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "", "wall ms", "cpu ms", "MB/s", "by wall",
             "by cpu");
  const auto row = [&](const std::string& name, const Times& times) {
    fmt::print("{:<22}{:>10.2f}{:>10.2f}{:>10.0f}{:>9.1f}x{:>9.1f}x\n", name, 1e3 * times.wall,
               1e3 * times.cpu, megabytes / times.wall, streams.wall / times.wall,
               streams.cpu / times.cpu);
  };
  row("ifstream >> std::hex", streams);
  for (std::size_t t = 0; t < kThreads.size(); ++t) {
    row(fmt::format("WeightMap, {} thread{}", kThreads[t], kThreads[t] > 1 ? "s" : ""), loads[t]);
    if (!equal(WeightMap::load(path, kThreads[t]), reference)) {
      fmt::print(stderr, "the two readings differ\n");
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool own = argc < 2;
  const std::string path =
      own ? (std::filesystem::temp_directory_path() / fmt::format("wts_bench_{}.wts", ::getpid()))
                .string()
          : argv[1];
  int status = 1;
  try {
    if (own) makeFile(path);
    status = compare(path);
  } catch (const layerwise::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  if (own) std::filesystem::remove(path);
  return status;
}
