#pragma once

#include <functional>
#include <memory>

#include "layerwise/export.h"

namespace layerwise {

/// Workers that run one job together. The caller of run() is worker 0. Waiting workers spin for a
/// bounded time, then park. Several contexts may share a pool; jobs from different threads take
/// turns.
class LAYERWISE_API ThreadPool {
 public:
  /// `threads` workers, the caller included; 0: one a core that the process may use. Throws Error
  /// above 1024.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;  ///< the workers, the caller included

  /// Calls job(worker) once on every worker and returns when all are done. The first exception
  /// thrown is rethrown.
  void run(const std::function<void(int worker)>& job);

  /// Calls job(0) here, and job(worker) on each of the other workers that finds the time before
  /// that returns; returns when all are done that began. For jobs that share out their work while
  /// they run: a worker whose core another program has taken is not waited for.
  void runShared(const std::function<void(int worker)>& job);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace layerwise
