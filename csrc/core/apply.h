// The one function through which every op goes.
#pragma once

#include <complex>
#include <initializer_list>
#include <span>
#include <vector>

#include "core/op.h"
#include "core/registry.h"

namespace flambeau {

// infer -> record (then nothing is launched) or launch, or decompose -> tape. Inputs are promoted and broadcast for
// pointwise rows. Raises the user's errors.
void apply(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);

// The same for rows with one output.
Tensor apply(const OpRow& row, std::initializer_list<Tensor> inputs, std::initializer_list<Attr> attrs = {});
Tensor apply(const OpRow& row, Inputs inputs, Attrs attrs = {});
// For rows with several outputs, or a number that depends on the inputs.
std::vector<Tensor> apply_all(const OpRow& row, Inputs inputs, Attrs attrs = {});

// A 0-d tensor with this value; while nothing records, small ones are kept and shared, so never write into it.
Tensor scalar(double value, DType dtype, Device* device);
Tensor scalar(int64_t value, DType dtype, Device* device);
Tensor scalar(std::complex<double> value, DType dtype, Device* device);
// `value` as many times as `shape` says.
Tensor full(const Dims& shape, double value, DType dtype, Device* device);
// Sums `x` down to `shape`, which broadcasts to x's: the gradient of a broadcast.
Tensor sum_to(const Tensor& x, const Dims& shape);
// `x` itself if it is contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
Tensor cast(const Tensor& x, DType dtype);
// A copy on another device (x itself if it is there); differentiable.
Tensor to_device(const Tensor& x, Device* device);

// ---- the two things that may listen; null is off ------------------------------------------------------------

// Autograd's side: asked after an op has run if an input requires a gradient.
class Tape {
 public:
  virtual ~Tape() = default;
  // REQUIRES: the row has a vjp and some differentiable input requires a gradient.
  virtual void record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) = 0;
};

// The graph's side: told of every op instead of launching it.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // Appends the op; `outputs` are descriptions that get their value numbers here.
  virtual void record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) = 0;
  // Another number after each recorded write into the memory that x will have, through whichever tensor.
  virtual uint32_t writes(const Tensor& x) const = 0;
};

// What may take an op over before it runs, in threads whose thread_state.detour asks for it: gives false to let it run
// as usual. Installed once, by ops/ and autograd/.
using DetourFn = bool (*)(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void install_detour(uint8_t which, DetourFn detour);

Tape* tape();                     // of this thread; null inside NoGrad
Recorder* recorder();             // of this thread; null if nothing records
void install_tape(Tape* tape);    // by autograd/, once, for all threads
void set_recorder(Recorder* recorder);
bool grad_enabled();
void set_grad_enabled(bool enabled);  // of this thread

// Where ops without inputs (full, arange, uniform, ...) put their result in this thread: the CPU unless a scope says.
Device* current_device();
class OnDevice {
 public:
  explicit OnDevice(Device* device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  Device* before_;
};

// While one lives, nothing goes on the tape.
class NoGrad {
 public:
  NoGrad() : before_(grad_enabled()) { set_grad_enabled(false); }
  ~NoGrad() { set_grad_enabled(before_); }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

// Raises if `x` has no value because it is only recorded; `doing` says what wanted it ("item()").
void require_value(const Tensor& x, std::string_view doing);

}  // namespace flambeau
