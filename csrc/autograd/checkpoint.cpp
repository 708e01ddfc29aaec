#include "autograd/checkpoint.h"

#include <utility>

#include "autograd/autograd.h"
#include "core/thread_state.h"

namespace flambeau {

Checkpoint::Entered::Entered(Checkpoint* checkpoint, bool refilling)
    : before_(std::exchange(thread_state.checkpoint, checkpoint)), refilling_(std::exchange(thread_state.refilling, refilling)) {}

Checkpoint::Entered::~Entered() {
  thread_state.checkpoint = before_;
  thread_state.refilling = refilling_;
}

Checkpoint::Saved Checkpoint::take(uint32_t place, const OpRow& row, bool keep) {
  const std::lock_guard only(mutex_);
  if (!filled_) {
    again_.clear();
    {
      Entered entered(this, true);
      GradMode on(true);
      run_again();
    }
    filled_ = true;
  }
  if (place >= again_.size() || again_[place].row != &row)
    raise(ErrorKind::Runtime, "checkpoint: the function did other ops the second time: op ", place, " was ", row.name, " and is ",
          place < again_.size() ? again_[place].row->name : "missing", "; it must depend on nothing but its arguments and on "
          "flambeau's own random numbers");
  return keep ? again_[place] : std::move(again_[place]);
}

}  // namespace flambeau
