#include "engine/worker_thread.h"

#include <fmt/format.h>
#include <sched.h>

#include <cstring>
#include <memory>

#include "layerwise/error.h"

namespace layerwise {
namespace {

struct Start {
  std::function<void()> work;
  cpu_set_t allowed;
  bool restricted = false;
};

void* run(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  if (start->restricted) ::sched_setaffinity(0, sizeof start->allowed, &start->allowed);
  start->work();
  return nullptr;
}

}  // namespace

WorkerThread::WorkerThread(std::function<void()> work) {
  auto start = std::make_unique<Start>();
  start->work = std::move(work);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  // Fails on machines of more processors than the set has: then the thread starts anywhere.
  const int here = ::sched_getcpu();
  if (here >= 0 && ::sched_getaffinity(0, sizeof start->allowed, &start->allowed) == 0) {
    cpu_set_t others = start->allowed;
    CPU_CLR(here, &others);
    start->restricted = CPU_COUNT(&others) > 0 &&
                        ::pthread_attr_setaffinity_np(&attributes, sizeof others, &others) == 0;
  }
  const int error = ::pthread_create(&thread_, &attributes, &run, start.get());
  ::pthread_attr_destroy(&attributes);
  if (error)
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("[threads] one cannot be started: {}", std::strerror(error)));
  start.release();  // the thread's
}

WorkerThread::~WorkerThread() {
  ::pthread_join(thread_, nullptr);
}

}  // namespace layerwise
