#include "core/profile.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <unordered_set>

#include "core/error.h"

namespace flambeau {

constinit std::atomic<uint8_t> profile_mode{0};

namespace {

std::string (*line_finder)() = nullptr;
std::atomic<uint64_t> session{0};  // which profile this is
std::atomic<uint64_t> next_token{1};  // of all threads: a scope that is ended in another one is none of that one's

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A list that one thread appends to and another may read meanwhile, up to what is there.
template <class Item>
class Published {
 public:
  Published() = default;
  ~Published() { clear(); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  void push(Item item) {
    if (!last_ || last_->count.load(std::memory_order_relaxed) == kChunk) add_chunk();
    const uint32_t at = last_->count.load(std::memory_order_relaxed);
    last_->items[at] = std::move(item);
    last_->count.store(at + 1, std::memory_order_release);
  }
  template <class Visit>
  void each(Visit visit) const {
    for (const Chunk* chunk = first_.load(std::memory_order_acquire); chunk; chunk = chunk->next.load(std::memory_order_acquire)) {
      const uint32_t count = chunk->count.load(std::memory_order_acquire);
      for (uint32_t i = 0; i < count; ++i) visit(chunk->items[i]);
    }
  }
  // REQUIRES: nobody reads, and the owner calls or is gone.
  void clear() {
    Chunk* chunk = first_.exchange(nullptr);
    last_ = nullptr;
    while (chunk) {
      const std::unique_ptr<Chunk> gone(chunk);
      chunk = gone->next.load();
    }
  }

 private:
  static constexpr uint32_t kChunk = 512;
  struct Chunk {
    std::array<Item, kChunk> items;
    std::atomic<uint32_t> count{0};
    std::atomic<Chunk*> next{nullptr};
  };
  void add_chunk() {
    auto fresh = std::make_unique<Chunk>();
    Chunk* chunk = fresh.release();
    (last_ ? last_->next : first_).store(chunk, std::memory_order_release);
    last_ = chunk;
  }
  std::atomic<Chunk*> first_{nullptr};
  Chunk* last_ = nullptr;
};

}  // namespace

struct ProfileLog {
  int64_t thread = 0;
  std::atomic<uint64_t> session{0};  // whose events these are
  OpenEvent* top = nullptr;
  std::vector<std::unique_ptr<OpenEvent>> scopes;
  Published<ProfileEvent> events;
  Published<MemoryEvent> memory;
};

namespace {

struct Registry {
  std::mutex mutex;  // starts, stops, new threads
  std::vector<std::shared_ptr<ProfileLog>> logs;
  bool read = false;  // the logs are being looked at, without the lock
  std::mutex names_mutex;
  std::unordered_set<std::string> names;
};

Registry& registry() {
  static Registry* made = [] {
    // A child has the threads' logs but not the threads; it starts without a profile.
    pthread_atfork(
        [] { registry().mutex.lock(); registry().names_mutex.lock(); },
        [] { registry().names_mutex.unlock(); registry().mutex.unlock(); },
        [] {
          profile_mode.store(0);
          registry().read = false;
          registry().names_mutex.unlock();
          registry().mutex.unlock();
        });
    return new Registry();
  }();
  return *made;
}

thread_local bool thread_ends = false;

struct Holder {
  std::shared_ptr<ProfileLog> log;
  ~Holder() { thread_ends = true; }
};
thread_local Holder holder;

int64_t thread_number() { return syscall(SYS_gettid); }  // another one after a fork

// This thread's log, made ready for the present profile; null while the thread ends.
ProfileLog* own_log() {
  if (thread_ends) return nullptr;
  const uint64_t present = session.load(std::memory_order_acquire);
  ProfileLog* log = holder.log.get();
  if (log && log->session.load(std::memory_order_relaxed) == present) return log;
  if (log) {
    log->events.clear();
    log->memory.clear();
    log->thread = thread_number();
    log->session.store(present, std::memory_order_release);
    return log;
  }
  holder.log = std::make_shared<ProfileLog>();
  holder.log->thread = thread_number();
  holder.log->session.store(present, std::memory_order_release);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.logs.push_back(holder.log);
  return holder.log.get();
}

void open(OpenEvent& event, ProfileLog* log, EventKind kind, const char* name, uint64_t node) {
  event.log = log;
  event.name = name;
  event.kind = kind;
  event.node = node;
  event.session = log->session.load(std::memory_order_relaxed);
  event.outer = log->top;
  log->top = &event;
  event.begin_ns = now_ns();
}

void close_top(ProfileLog& log) {
  OpenEvent& event = *log.top;
  event.end_ns = now_ns();
  log.top = event.outer;
  if (OpenEvent* outer = event.outer) {
    outer->inner_ns += event.end_ns - event.begin_ns;
    outer->inner_memory.allocated += event.memory.allocated;
    outer->inner_memory.freed += event.memory.freed;
    outer->memory.allocated += event.memory.allocated;
    outer->memory.freed += event.memory.freed;
  }
  if (profiling() && event.session == session.load(std::memory_order_relaxed)) log.events.push(std::move(static_cast<ProfileEvent&>(event)));
  if (event.token) log.scopes.pop_back();
}

}  // namespace

// ---- events ----

const char* lasting_name(std::string_view name) {
  Registry& all = registry();
  const std::lock_guard lock(all.names_mutex);
  return all.names.emplace(name).first->c_str();
}

void Profiled::begin(EventKind kind, const char* name, uint64_t node) {
  if (ProfileLog* log = own_log()) open(event_.emplace(), log, kind, name, node);
}

void Profiled::begin_op(const OpRow& row, Inputs inputs) {
  const uint8_t mode = profile_mode.load(std::memory_order_relaxed);
  ProfileLog* log = own_log();
  if (!log) return;
  OpenEvent& event = event_.emplace();
  if (mode & (kProfileShapes | kProfileLines)) {
    event.details = std::make_unique<EventDetails>();
    if (mode & kProfileLines && line_finder) event.details->line = line_finder();
    if (mode & kProfileShapes)
      for (const Tensor& x : inputs) {
        if (!x.defined()) continue;
        event.details->shapes.push_back(x.shape());
        event.details->dtypes.push_back(x.dtype());
      }
  }
  open(event, log, EventKind::Op, row.name, 0);
}

void Profiled::end() {
  ProfileLog& log = *event_->log;
  while (log.top != &*event_) close_top(log);  // scopes that Python has not ended yet
  close_top(log);
}

void note_node(uint64_t node) {
  ProfileLog* log = own_log();
  if (log && log->top && log->top->kind == EventKind::Op) log->top->node = node;
}

void note_memory(const Device* device, int64_t bytes) {
  if (!(profile_mode.load(std::memory_order_relaxed) & kProfileMemory)) return;
  ProfileLog* log = own_log();
  if (!log) return;
  if (OpenEvent* event = log->top) (bytes > 0 ? event->memory.allocated : event->memory.freed) += bytes > 0 ? bytes : -bytes;
  log->memory.push({now_ns(), bytes, device});
}

uint64_t begin_scope(std::string_view name) {
  if (!profiling()) return 0;
  ProfileLog* log = own_log();
  if (!log) return 0;
  log->scopes.push_back(std::make_unique<OpenEvent>());
  OpenEvent& event = *log->scopes.back();
  event.token = next_token.fetch_add(1, std::memory_order_relaxed);
  open(event, log, EventKind::Scope, lasting_name(name), 0);
  return event.token;
}

void end_scope(uint64_t token) {
  if (!token || thread_ends) return;
  ProfileLog* log = own_log();
  if (!log) return;
  // Those of this thread that nothing native stands above.
  bool open_here = false;
  for (OpenEvent* event = log->top; event && event->token && !open_here; event = event->outer) open_here = event->token == token;
  if (!open_here) return;
  for (bool done = false; !done;) {
    done = log->top->token == token;
    close_top(*log);
  }
}

void install_profile_line_finder(std::string (*finder)()) { line_finder = finder; }

// ---- a whole profile ----

void start_profile(uint8_t mode) {
  const std::lock_guard lock(registry().mutex);
  if (profiling() || registry().read)
    raise(ErrorKind::Runtime, "profile: another profile is running in this process; end it first, or name parts of it with "
          "fl.profiler.record_function(...)");
  session.fetch_add(1, std::memory_order_release);
  profile_mode.store(static_cast<uint8_t>(mode | kProfileEvents), std::memory_order_release);
}

namespace {

// The end of a profile. What looks at the logs is Python's, which may let other threads run, one that starts a profile
// among them: it runs without the lock, and no profile starts meanwhile.
struct Reading {
  Reading() {
    const std::lock_guard lock(all.mutex);
    if (!profiling()) raise(ErrorKind::Runtime, "profile: none is running");
    logs = all.logs;
    all.read = true;
    profile_mode.store(0, std::memory_order_release);
  }
  ~Reading() {
    logs.clear();
    const std::lock_guard lock(all.mutex);
    all.read = false;
    std::erase_if(all.logs, [](const auto& log) { return log.use_count() == 1; });  // of threads that have ended
    if (thread_ends || !holder.log) return;
    holder.log->events.clear();
    holder.log->memory.clear();
  }
  Registry& all = registry();
  std::vector<std::shared_ptr<ProfileLog>> logs;
};

}  // namespace

void stop_profile(void (*look)(void* context, const std::vector<ThreadRecords>& threads), void* context) {
  const Reading reading;
  const uint64_t present = session.load();
  std::vector<ThreadRecords> threads;
  for (const auto& log : reading.logs) {
    if (log->session.load(std::memory_order_acquire) != present) continue;
    ThreadRecords& records = threads.emplace_back();
    records.thread = log->thread;
    log->events.each([&](const ProfileEvent& event) { records.events.push_back(&event); });
    log->memory.each([&](const MemoryEvent& event) { records.memory.push_back(event); });
  }
  look(context, threads);
}

}  // namespace flambeau
