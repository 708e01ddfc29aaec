// What the profiler writes down: which op, layer or part of a walk ran in which thread from when to when, and what
// memory it took. Each thread writes into a log of its own without a lock; one profile at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/op.h"

namespace flambeau {

enum class EventKind : uint8_t {
  Op,          // one op, by apply()
  Backward,    // one node of a walk backward, with the ops of its rule inside
  Accumulate,  // a gradient summed up in a leaf
  Walk,        // a whole walk backward
  Scope,       // what a user or a layer named
};

// Bits of what is written down.
inline constexpr uint8_t kProfileEvents = 1;
inline constexpr uint8_t kProfileMemory = 2;
inline constexpr uint8_t kProfileShapes = 4;
inline constexpr uint8_t kProfileLines = 8;

extern constinit std::atomic<uint8_t> profile_mode;  // 0 is off
inline bool profiling() { return profile_mode.load(std::memory_order_relaxed) != 0; }

struct MemoryUse {
  int64_t allocated = 0;  // bytes
  int64_t freed = 0;
};

// What few events have.
struct EventDetails {
  std::string line;              // of the user's program
  std::vector<Dims> shapes;      // of an op's inputs
  std::vector<DType> dtypes;
};

struct ProfileEvent {
  const char* name = nullptr;
  EventKind kind = EventKind::Op;
  int64_t begin_ns = 0;    // on the monotonic clock
  int64_t end_ns = 0;
  int64_t inner_ns = 0;    // of that in events inside
  MemoryUse memory;        // with what events inside took
  MemoryUse inner_memory;
  uint64_t node = 0;       // of the tape: the one that an op put there, or that a walk ran; 0 for none
  std::unique_ptr<EventDetails> details;
};

struct MemoryEvent {
  int64_t at_ns = 0;
  int64_t bytes = 0;  // below 0: given back
  const Device* device = nullptr;
};

struct ProfileLog;

// An event that has begun in this thread.
struct OpenEvent : ProfileEvent {
  ProfileLog* log = nullptr;
  OpenEvent* outer = nullptr;
  uint64_t session = 0;
  uint64_t token = 0;  // of those that Python opened
};

// An event that ends with this object. Costs a flag where there is no profile.
class Profiled {
 public:
  Profiled() = default;
  Profiled(const OpRow& row, Inputs inputs) {
    if (profiling()) [[unlikely]] begin_op(row, inputs);
  }
  ~Profiled() {
    if (event_) [[unlikely]] end();
  }
  Profiled(const Profiled&) = delete;
  Profiled& operator=(const Profiled&) = delete;
  // `name` must last.
  void begin(EventKind kind, const char* name, uint64_t node = 0);

 private:
  void begin_op(const OpRow& row, Inputs inputs);
  void end();
  std::optional<OpenEvent> event_;
};

// The same name, for as long as the process runs.
const char* lasting_name(std::string_view name);

// The op that runs in this thread has put this node on the tape.
void note_node(uint64_t node);
// Memory of tensors came (or went, below 0).
void note_memory(const Device* device, int64_t bytes);

// Scopes whose ends are not ours to see: gives what ends it, 0 if there is no profile. Scopes that are still open
// inside are ended with it; one that is gone already is passed over.
uint64_t begin_scope(std::string_view name);
void end_scope(uint64_t token);

// Where in the user's program this thread is; installed by bindings/.
void install_profile_line_finder(std::string (*finder)());

// Raises if there is a profile already.
void start_profile(uint8_t mode);

struct ThreadRecords {
  int64_t thread = 0;  // the system's number
  std::vector<const ProfileEvent*> events;  // in the order of their ends
  std::vector<MemoryEvent> memory;
};
// Ends the profile and shows what it wrote down; the events live while `look` runs. What is still open is left out.
void stop_profile(void (*look)(void* context, const std::vector<ThreadRecords>& threads), void* context);

}  // namespace flambeau
