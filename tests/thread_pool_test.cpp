#include "layerwise/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

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

// Sanitizers need the addresses that this takes away.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(ThreadPool, SaysSoWhereNoMoreThreadsStartAndEndsThoseThatDid) {
  const auto startMany = [] {
    const rlimit addresses{1 << 30, 1 << 30};  // of a stack of usual size for each
    if (setrlimit(RLIMIT_AS, &addresses) != 0) std::exit(3);
    try {
      ThreadPool pool(1000);
    } catch (const Error& error) {
      std::exit(error.code() == ErrorCode::kOutOfMemory ? 0 : 1);
    }
    std::exit(2);
  };
  EXPECT_EXIT(startMany(), testing::ExitedWithCode(0), "");
}
#endif

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

TEST(ThreadPool, ASharedJobIsDoneByThoseWhoCome) {
  ThreadPool pool(4);
  for (int round = 0; round < 2000; ++round) {
    std::atomic<int> next{0}, sum{0};
    std::vector<std::atomic<int>> calls(4);
    pool.runShared([&](int worker) {
      ++calls[static_cast<std::size_t>(worker)];
      for (int i = next++; i < 20; i = next++) sum += i;
    });
    EXPECT_EQ(sum, 190);
    EXPECT_EQ(calls[0], 1);
    for (auto& count : calls) EXPECT_LE(count, 1);
    // Jobs of both kinds in turn.
    std::atomic<int> all{0};
    if (round % 3 == 0) {
      pool.run([&](int) { ++all; });
      EXPECT_EQ(all, 4);
    }
  }
}

TEST(ThreadPool, ASharedJobDoesNotWaitForAWorkerThatHasNotBegun) {
  ThreadPool pool(2);
  // The only other worker is busy in nobody's job: the first runShared may end before it wakes, and
  // the job that it finds closed does not count.
  std::atomic<int> calls{0};
  for (int round = 0; round < 5000; ++round) pool.runShared([&](int) { ++calls; });
  EXPECT_GE(calls, 5000);
  EXPECT_LE(calls, 10000);
}

// For the thread sanitizer: a worker that wakes after its job has ended looks whether to stop while
// the pool is taken down.
TEST(ThreadPool, IsTakenDownWhileWorkersWakeForAJobThatHasEnded) {
  for (int round = 0; round < 300; ++round) {
    ThreadPool pool(4);
    pool.runShared([](int) {});
  }
}

TEST(ThreadPool, ASharedJobRethrows) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.runShared([](int worker) {
    if (worker == 0) throw std::runtime_error("no");
  }),
               std::runtime_error);
}

}  // namespace
}  // namespace layerwise
