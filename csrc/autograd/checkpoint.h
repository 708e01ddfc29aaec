// A region whose ops the tape writes down without what their derivatives need: it is computed again when asked for.
#pragma once

#include <mutex>
#include <vector>

#include "core/op.h"

namespace flambeau {

class Checkpoint : public RefCounted<Checkpoint> {
 public:
  // What one op saved: the tensors by the row's masks, undefined elsewhere.
  struct Saved {
    const OpRow* row = nullptr;
    std::vector<Tensor> inputs;
    std::vector<Tensor> outputs;
  };

  virtual ~Checkpoint() = default;
  static void destroy(Checkpoint* checkpoint) { delete checkpoint; }

  // Calls `body` with the tape leaving out what it saves.
  template <class Body>
  void forward(Body&& body) { Entered entered(this, false); body(); }
  // The next op of the region; gives its number.
  uint32_t next() { return recorded_++; }
  // The second time: keeps what op number `next` saved.
  void keep(Saved saved) { again_.push_back(std::move(saved)); }
  // What op `place` saved; computes the region again if need be. Raises if it did other ops than before.
  Saved take(uint32_t place, const OpRow& row, bool keep);

 protected:
  virtual void run_again() = 0;

 private:
  class Entered {
   public:
    Entered(Checkpoint* checkpoint, bool refilling);
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    Checkpoint* before_;
    bool refilling_;
  };

  std::mutex mutex_;
  uint32_t recorded_ = 0;
  bool filled_ = false;
  std::vector<Saved> again_;
};

}  // namespace flambeau
