#include "core/threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/ref.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

struct Mark {
  size_t chunk = 0;
  uint64_t used = 0;
};

// A thread's scratch memory: chunks that are filled from the front and rewound.
class Scratch {
 public:
  ~Scratch() { for (const Chunk& chunk : chunks_) std::free(chunk.base); }
  void* take(uint64_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    for (; at_.chunk < chunks_.size(); ++at_.chunk, at_.used = 0) {
      Chunk& chunk = chunks_[at_.chunk];
      if (at_.used + bytes <= chunk.bytes) {
        void* place = chunk.base + at_.used;
        at_.used += bytes;
        return place;
      }
    }
    const uint64_t size = std::max<uint64_t>(bytes, uint64_t{1} << 20);
    auto* base = static_cast<char*>(std::aligned_alloc(64, size));
    if (!base) return nullptr;
    chunks_.push_back({base, size});
    at_ = {chunks_.size() - 1, bytes};
    return base;
  }
  Mark mark() const { return at_; }
  void rewind(Mark mark) {
    at_ = mark;
    if (mark.chunk != 0 || mark.used != 0 || chunks_.size() < 2) return;
    // One chunk of the whole size serves the next op without a search; very large ones are given back.
    uint64_t total = 0;
    for (const Chunk& chunk : chunks_) { total += chunk.bytes; std::free(chunk.base); }
    chunks_.clear();
    if (total > (uint64_t{256} << 20)) return;
    if (auto* base = static_cast<char*>(std::aligned_alloc(64, total))) chunks_.push_back({base, total});
  }

 private:
  struct Chunk {
    char* base;
    uint64_t bytes;
  };
  std::vector<Chunk> chunks_;
  Mark at_;
};

thread_local Scratch my_scratch;

// A run of neighbouring pieces, taken from the front.
struct alignas(64) Share {
  std::atomic<int64_t> next;
  int64_t end;
};

// One parallel_for. Every thread begins with a share of its own, the same one in the next job, so that what one op wrote is
// read by the next from the caches of the same processor. Shared by count: a worker that was put to sleep by the system
// before it took a piece holds nothing up, for the caller waits for pieces and not for threads.
struct Job : RefCounted<Job> {
  static void destroy(Job* job) { delete job; }
  int64_t n, grain, pieces, share_count;
  void (*body)(void*, int64_t, int64_t);
  void* context;
  std::atomic<int64_t> done{0};
  std::atomic<bool> failed{false};
  static constexpr int64_t kShares = 8;  // threads beyond so many begin together
  Share shares[kShares];
  std::exception_ptr failure;  // of the first piece that threw (no memory); the caller throws it when all are done

  void run_piece(int64_t piece) {
    const Mark before = my_scratch.mark();
    try {
      body(context, piece * grain, std::min(n, (piece + 1) * grain));
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
    my_scratch.rewind(before);
  }
  void share_out(int64_t threads) {
    share_count = std::min({threads, pieces, kShares});
    for (int64_t i = 0; i < share_count; ++i) {
      shares[i].next.store(pieces * i / share_count, std::memory_order_relaxed);
      shares[i].end = pieces * (i + 1) / share_count;
    }
  }
  // Takes the pieces of the thread's own share, then those that others have left.
  void work(int64_t thread) {
    int64_t ran = 0;
    for (int64_t i = 0; i < share_count; ++i) {
      Share& share = shares[(thread + i) % share_count];
      for (int64_t piece; (piece = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end; ++ran) run_piece(piece);
    }
    if (ran && done.fetch_add(ran, std::memory_order_acq_rel) + ran == pieces) done.notify_all();
  }
};

int32_t processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

constexpr int kLooks = 500;  // some 20 us before a thread sleeps

class Pool {
 public:
  int32_t threads() {
    const int32_t count = count_.load(std::memory_order_relaxed);
    if (count) return count;
    count_.store(processors_, std::memory_order_relaxed);
    return count_.load(std::memory_order_relaxed);
  }
  void set_threads(int32_t count) { count_.store(count, std::memory_order_relaxed); }

  void run(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
    auto job = Ref<Job>::adopt(new Job());
    job->n = n, job->grain = grain, job->pieces = (n + grain - 1) / grain, job->body = body, job->context = context;
    job->share_out(threads());
    const auto helpers = static_cast<int32_t>(std::min<int64_t>(threads() - 1, job->pieces - 1));
    {
      std::lock_guard lock(mutex_);
      while (static_cast<int32_t>(workers_.size()) < helpers && start_worker()) {}
      if (helpers < processors_) keep_workers_off(sched_getcpu());
      for (int32_t i = 0; i < helpers; ++i) jobs_.push_back(job);
      waiting_jobs_.store(static_cast<int64_t>(jobs_.size()), std::memory_order_relaxed);
      if (asleep_ > 0) helpers == 1 ? wake_.notify_one() : wake_.notify_all();
    }
    job->work(0);
    {
      std::lock_guard lock(mutex_);
      std::erase(jobs_, job);  // helpers that have not woken need not
      waiting_jobs_.store(static_cast<int64_t>(jobs_.size()), std::memory_order_relaxed);
    }
    // The others are in their last pieces, and shorter there than this thread would take to sleep and be woken.
    for (int i = 0; i < kLooks && job->done.load(std::memory_order_acquire) < job->pieces; ++i) pause();
    for (int64_t done; (done = job->done.load(std::memory_order_acquire)) < job->pieces;) job->done.wait(done);
    if (job->failed.load(std::memory_order_relaxed)) std::rethrow_exception(job->failure);
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  // False if the system gives no more threads: those that there are do the work, the caller alone if need be.
  bool start_worker() {
    try {
      workers_.reserve(workers_.size() + 1);
      std::thread thread([this, number = static_cast<int64_t>(workers_.size()) + 1] { worker(number); });
      workers_.push_back(thread.native_handle());
      thread.detach();
    } catch (const std::system_error&) {
      return false;
    }
    kept_off_ = -1;
    return true;
  }

  // The system likes to wake a worker on its waker's processor although another one idles, and both then share it for
  // milliseconds. So workers may run where the caller may, but not where it runs; said anew when the caller has moved.
  void keep_workers_off(int processor) {
    if (processor == kept_off_) return;
    kept_off_ = processor;
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others) != 0) return;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) == 0) return;
    for (const pthread_t worker : workers_) pthread_setaffinity_np(worker, sizeof others, &others);
  }

  void worker(int64_t number) {
    thread_state.in_parallel = true;
    for (;;) {
      // A step of training is many short ops: look for the next one before sleeping.
      for (int i = 0; i < kLooks && waiting_jobs_.load(std::memory_order_relaxed) == 0; ++i) pause();
      Ref<Job> job;
      {
        std::unique_lock lock(mutex_);
        while (jobs_.empty()) {
          ++asleep_;
          wake_.wait(lock);
          --asleep_;
        }
        job = std::move(jobs_.front());
        jobs_.pop_front();
        waiting_jobs_.store(static_cast<int64_t>(jobs_.size()), std::memory_order_relaxed);
      }
      job->work(number);
    }
  }

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  const int32_t processors_ = processors();
  std::atomic<int32_t> count_{0};
  std::atomic<int64_t> waiting_jobs_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Ref<Job>> jobs_;
  std::vector<pthread_t> workers_;
  int kept_off_ = -1;  // the processor that the workers may not use
  int32_t asleep_ = 0;
};

// Never destroyed: workers may sleep in it while the process ends.
alignas(Pool) char pool_place[sizeof(Pool)];
Pool* the_pool = nullptr;

Pool& pool() {
  static const bool made = [] {
    the_pool = new (pool_place) Pool();
    pthread_atfork([] { the_pool->lock(); }, [] { the_pool->unlock(); },
                   [] {
                     // The child has none of the workers: a new pool in the place of the old one.
                     const int32_t threads = the_pool->threads();
                     the_pool = new (pool_place) Pool();
                     the_pool->set_threads(threads);
                   });
    return true;
  }();
  (void)made;
  return *the_pool;
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  if (n <= 0) return;
  if (grain < 1) grain = 1;
  const bool alone = n <= grain || thread_state.in_parallel || pool().threads() == 1;
  if (alone) {
    for (int64_t begin = 0; begin < n; begin += grain) {
      const Mark before = my_scratch.mark();
      body(context, begin, std::min(n, begin + grain));
      my_scratch.rewind(before);
    }
    return;
  }
  struct InParallel {
    InParallel() { thread_state.in_parallel = true; }
    ~InParallel() { thread_state.in_parallel = false; }
  } here;
  pool().run(n, grain, body, context);
}

int32_t thread_count() { return pool().threads(); }

void set_thread_count(int32_t count) {
  if (count < 1 || count > 1024)
    raise(ErrorKind::Value, "set_num_threads: ", count, " is not a number of threads; it must be from 1 to 1024");
  pool().set_threads(count);
}

void* scratch(uint64_t bytes) {
  thread_state.scratch_used = true;
  return my_scratch.take(bytes);
}

void release_scratch() {
  if (!thread_state.scratch_used || thread_state.in_parallel) return;
  thread_state.scratch_used = false;
  my_scratch.rewind({});
}

}  // namespace flambeau
