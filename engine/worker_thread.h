#pragma once

#include <pthread.h>

#include <functional>

namespace layerwise {

/// A thread that starts on another core than its creator's, if there is one, and may go anywhere
/// then. Linux often puts a new thread on the core that creates it, where it waits for milliseconds
/// until that one's turn is over. Joins when it is destroyed.
class WorkerThread {
 public:
  /// Throws Error kOutOfMemory where the system gives none.
  explicit WorkerThread(std::function<void()> work);
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

 private:
  pthread_t thread_;
};

}  // namespace layerwise
