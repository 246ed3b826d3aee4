#include "layerwise/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/spin.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

TEST(ThreadPool, EveryWorkerRunsEachJobOnce) {
  ThreadPool pool(5);
  EXPECT_EQ(pool.size(), 5);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::atomic<int>> calls(5);
    pool.run([&](int worker) { ++calls[static_cast<std::size_t>(worker)]; });
    for (auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(ThreadPool, RethrowsAndGoesOn) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run([](int worker) {
    if (worker == 2) throw std::runtime_error("no");
  }),
               std::runtime_error);
  std::atomic<int> calls{0};
  pool.run([&](int) { ++calls; });
  EXPECT_EQ(calls, 3);
}

TEST(ThreadPool, TakesTurnsWithSeveralCallers) {
  ThreadPool pool(2);
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) pool.run([&](int) { ++calls; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls, 800);
}

TEST(ThreadPool, RefusesNonsense) {
  EXPECT_THROW(ThreadPool(-1), Error);
}

TEST(Barrier, NobodyRunsAhead) {
  ThreadPool pool(4);
  Barrier barrier(4);
  std::atomic<int> arrived{0};
  pool.run([&](int) {
    for (int round = 1; round <= 500; ++round) {
      ++arrived;
      barrier.arriveAndWait();
      EXPECT_GE(arrived.load(), 4 * round);
      barrier.arriveAndWait();
    }
  });
}

}  // namespace
}  // namespace layerwise
