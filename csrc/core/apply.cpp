#include "core/apply.h"

#include <vector>

#include "core/launch.h"
#include "core/profile.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

Tape* installed_tape = nullptr;
DetourFn vmap_detour = nullptr;
DetourFn anomaly_detour = nullptr;
DetourFn autocast_detour = nullptr;

[[noreturn]] void refuse_count(const OpRow& row, size_t given) {
  const bool range = row.min_inputs != row.max_inputs;
  raise(ErrorKind::Type, row.name, " takes ", row.min_inputs,
        !range ? std::string() : row.max_inputs == kAnyNumber ? std::string(" or more") : text(" to ", row.max_inputs),
        row.max_inputs == 1 ? " tensor" : " tensors", ", but ", given, given == 1 ? " was" : " were", " given");
}

std::string_view input_name(const OpRow& row, size_t i) {
  if (i < row.input_names.size()) return row.input_names[i];
  return row.input_names.empty() ? "x" : row.input_names.back();
}

// Counts, devices and values of the inputs; gives the device.
Device* check_inputs(const OpRow& row, Inputs inputs) {
  const size_t n = inputs.size();
  if (n < static_cast<size_t>(row.min_inputs) || (row.max_inputs != kAnyNumber && n > static_cast<size_t>(row.max_inputs)))
    refuse_count(row, n);
  if (n == 0) return current_device();
  for (size_t i = 0; i < n; ++i)
    if (!inputs[i].defined()) raise(ErrorKind::Type, row.name, ": ", input_name(row, i), " is missing");
  Device* device = inputs[0].device();
  for (size_t i = 0; i < n; ++i) {
    const Tensor& t = inputs[i];
    if (t.device() != device)
      raise(ErrorKind::Device, row.name, ": ", input_name(row, 0), " is on ", device->name(), " and ", input_name(row, i),
            " on ", t.device()->name(), "; move one of them with x.to('", device->name(), "')");
    if (!thread_state.recorder && !t.has_value()) [[unlikely]] require_value(t, row.name);
  }
  return device;
}

std::string names_of(DTypeSet set) {
  std::string names;
  for (int i = 0; i < kDTypeCount; ++i)
    if (contains(set, static_cast<DType>(i)))
      names += (names.empty() ? "" : ", ") + std::string(name_of(static_cast<DType>(i)));
  return names;
}

// The dtype that the promoted inputs share, checked against the row.
DType common_dtype(const OpRow& row, Inputs inputs) {
  const auto from = static_cast<size_t>(row.promote_from);
  DType common = inputs[from].dtype();
  for (size_t i = from + 1; i < inputs.size(); ++i) common = promote(common, inputs[i].dtype());
  if (!contains(row.dtypes, common)) {
    if (row.integers_as_floats && !is_inexact(common)) return DType::Float32;
    std::string given;
    for (size_t i = from; i < inputs.size(); ++i)
      given += text(given.empty() ? "" : ", ", input_name(row, i), " is ", inputs[i].dtype());
    const bool has_float = contains(row.dtypes, DType::Float32);
    raise(ErrorKind::DType, row.name, ": ", given, "; it takes ", names_of(row.dtypes),
          has_float && !is_inexact(common) ? "; cast with x.astype(fl.float32)" : "");
  }
  for (size_t i = 0; i < from; ++i)
    if (inputs[i].dtype() != DType::Bool)
      raise(ErrorKind::DType, row.name, ": ", input_name(row, i), " is ", inputs[i].dtype(),
            " and must be bool; compare first, as in x != 0");
  return common;
}

bool wants_gradient(const OpRow& row, Inputs inputs) {
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]->requires_grad && (i >= 32 ? row.differentiable == kAllInputs : (row.differentiable >> i) & 1u)) return true;
  return false;
}

// A decomposition may hand an input back as it is; an output of its own keeps what autograd hangs on it apart.
void own_outputs(std::span<Tensor> outputs) {
  for (Tensor& out : outputs)
    if (out.defined() && (out->use_count() > 1 || out->node)) out = out.detach();
}

void apply_view(const OpRow& row, Inputs inputs, Attrs attrs, Tensor& output) {
  Tensor x = inputs[0];
  Window window;
  bool viewable = row.view(row, x, attrs, window);
  if (Recorder* recorder = thread_state.recorder) {
    output = Tensor::description(std::move(window.shape), x.dtype(), x.device());
    if (viewable) output->is_view = x->is_view = true;
    recorder->record(row, inputs, attrs, {&output, 1});
    return;
  }
  if (!viewable) {
    NoGrad off;
    x = contiguous(x);
    row.view(row, x, attrs, window);
  }
  output = x.alias(std::move(window.shape), std::move(window.strides), window.offset);
  output->is_view = viewable;
}

void apply_in_place(const OpRow& row, Device* device, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  std::vector<int32_t> output_of;
  row.aliases(row, inputs, attrs, output_of);
  if (output_of.size() != outputs.size()) raise(ErrorKind::Runtime, row.name, ": wrong number of outputs");
  if (row.infer) {  // only for the errors that it raises
    std::vector<Meta> metas(outputs.size());
    row.infer(row, inputs, attrs, metas);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i] = inputs[static_cast<size_t>(output_of[i])];
    if (grad_enabled() && outputs[i].requires_grad())
      raise(ErrorKind::Runtime, row.name, ": ", input_name(row, static_cast<size_t>(output_of[i])),
            " requires a gradient and would be written in place; do it under fl.no_grad()");
    if (outputs[i]->storage && outputs[i]->storage->read_only)
      raise(ErrorKind::Value, row.name, ": this memory is read-only; write into a copy");
  }
  if (Recorder* recorder = thread_state.recorder) { recorder->record(row, inputs, attrs, outputs); return; }
  if (!launch(row, device, inputs, attrs, outputs)) {
    NoGrad off;
    if (row.decompose) row.decompose(row, inputs, attrs, outputs);
    else launch_on_cpu(row, device, inputs, attrs, outputs);
  }
  for (Tensor& out : outputs)
    if (out->storage) out->storage->version.fetch_add(1, std::memory_order_relaxed);
}

// Metas of the outputs -> tensors, with memory unless a recorder listens.
void make_outputs(std::span<Meta> metas, Device* device, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    Meta& meta = metas[i];
    Device* place = meta.device ? meta.device : device;
    if (meta.dtype == DType::Int64 && !place->stores(DType::Int64)) [[unlikely]] {
      // Indices on a device without int64 have its index type, unless somebody asked for int64 by name.
      bool asked = false;
      for (const Attr& attr : attrs) asked = asked || attr.kind() == FL_ATTR_DTYPE;
      if (!asked && !inputs.empty()) meta.dtype = from_c(place->info().index_dtype).value_or(DType::Int64);
    }
    outputs[i] = thread_state.recorder ? Tensor::description(std::move(meta.shape), meta.dtype, place)
                                       : Tensor::empty(std::move(meta.shape), meta.dtype, place);
  }
}

void apply_settled(const OpRow& row, Device* device, DType common, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  Tape* tape = !thread_state.grad_off && wants_gradient(row, inputs) ? installed_tape : nullptr;
  if (row.aliases) { apply_in_place(row, device, inputs, attrs, outputs); return; }
  if (tape && !row.vjp) {
    if (row.decompose) {
      row.decompose(row, inputs, attrs, outputs);
      return;
    }
    tape = nullptr;
  }
  if (row.view) {
    apply_view(row, inputs, attrs, outputs[0]);
    if (tape) tape->record(row, inputs, attrs, outputs);
    return;
  }

  Meta few[4];
  std::vector<Meta> many(outputs.size() > 4 ? outputs.size() : 0);
  const std::span<Meta> metas = many.empty() ? std::span<Meta>(few, outputs.size()) : std::span<Meta>(many);
  if (row.pointwise) {
    metas[0].shape = inputs[0].shape();
    for (size_t i = 1; i < inputs.size(); ++i)
      if (!(inputs[i].shape() == metas[0].shape)) metas[0].shape = broadcast_shapes(row.name, metas[0].shape, inputs[i].shape());
    metas[0].dtype = row.result ? row.result(common, attrs) : common;
  } else {
    row.infer(row, inputs, attrs, metas);
  }

  if (Recorder* recorder = thread_state.recorder) {
    make_outputs(metas, device, inputs, attrs, outputs);
    recorder->record(row, inputs, attrs, outputs);
  } else {
    make_outputs(metas, device, inputs, attrs, outputs);
    bool nothing = true;
    for (const Tensor& out : outputs) nothing = nothing && out.count() == 0;
    if (!nothing && !launch(row, device, inputs, attrs, outputs)) {
      if (row.decompose) {
        NoGrad off;
        row.decompose(row, inputs, attrs, outputs);
        own_outputs(outputs);
      } else {
        launch_on_cpu(row, device, inputs, attrs, outputs);
      }
    }
  }
  if (tape) tape->record(row, inputs, attrs, outputs);
}

// The op itself: checks and promotion of its inputs, then all the rest.
[[gnu::always_inline]] inline void run_op(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  Device* device = check_inputs(row, inputs);
  if (!row.pointwise && !row.promotes) {
    apply_settled(row, device, DType::Float32, inputs, attrs, outputs);
    return;
  }
  const DType common = common_dtype(row, inputs);
  bool mixed = false;
  for (size_t i = static_cast<size_t>(row.promote_from); i < inputs.size(); ++i) mixed = mixed || inputs[i].dtype() != common;
  if (!mixed) {
    apply_settled(row, device, common, inputs, attrs, outputs);
    return;
  }
  std::vector<Tensor> settled(inputs.begin(), inputs.end());
  for (size_t i = static_cast<size_t>(row.promote_from); i < settled.size(); ++i) settled[i] = cast(settled[i], common);
  apply_settled(row, device, common, settled, attrs, outputs);
}

[[gnu::noinline]] void run_on_detours(uint8_t detour, const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  if ((detour & kDetourAutocast) && autocast_detour(row, inputs, attrs, outputs)) return;
  if ((detour & kDetourVmap) && vmap_detour(row, inputs, attrs, outputs)) return;
  if ((detour & kDetourAnomaly) && anomaly_detour(row, inputs, attrs, outputs)) return;
  const Profiled event(row, inputs);  // the last: what takes an op over calls others, or this one again
  run_op(row, inputs, attrs, outputs);
}

}  // namespace

void install_detour(uint8_t which, DetourFn detour) {
  (which == kDetourVmap ? vmap_detour : which == kDetourAnomaly ? anomaly_detour : autocast_detour) = detour;
}

void apply(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const uint8_t detour = thread_state.detour;
  if (detour | profile_mode.load(std::memory_order_relaxed)) [[unlikely]] {
    run_on_detours(detour, row, inputs, attrs, outputs);
    return;
  }
  run_op(row, inputs, attrs, outputs);
}

Tensor apply(const OpRow& row, Inputs inputs, Attrs attrs) {
  Tensor output;
  apply(row, inputs, attrs, {&output, 1});
  return output;
}

Tensor apply(const OpRow& row, std::initializer_list<Tensor> inputs, std::initializer_list<Attr> attrs) {
  return apply(row, Inputs(inputs.begin(), inputs.size()), Attrs(attrs.begin(), attrs.size()));
}

std::vector<Tensor> apply_all(const OpRow& row, Inputs inputs, Attrs attrs) {
  size_t count = static_cast<size_t>(row.output_count);
  if (row.output_count == kAnyNumber) {
    std::vector<int32_t> output_of;
    row.aliases(row, inputs, attrs, output_of);
    count = output_of.size();
  }
  std::vector<Tensor> outputs(count);
  apply(row, inputs, attrs, outputs);
  return outputs;
}

// ---- this thread's listeners ----

uint32_t Tensor::recorded_writes() const { return thread_state.recorder->writes(*this); }

Tape* tape() { return thread_state.grad_off ? nullptr : installed_tape; }
Recorder* recorder() { return thread_state.recorder; }
void install_tape(Tape* tape) { installed_tape = tape; }
void set_recorder(Recorder* recorder) { thread_state.recorder = recorder; }
bool grad_enabled() { return !thread_state.grad_off; }
void set_grad_enabled(bool enabled) { thread_state.grad_off = !enabled; }

Device* current_device() { return thread_state.device ? thread_state.device : cpu(); }
OnDevice::OnDevice(Device* device) : before_(thread_state.device) { thread_state.device = device; }
OnDevice::~OnDevice() { thread_state.device = before_; }

void require_value(const Tensor& x, std::string_view doing) {
  if (x.has_value()) return;
  if (x.is_batched())
    raise(ErrorKind::Runtime, doing, ": inside vmap a tensor stands for a whole batch of ", x.batch().size(0), ", so it has no "
          "single value here, and none after the vmap has ended. Choose by value with fl.where(condition, a, b); give "
          "back from the function what you need outside");
  if (thread_state.recorder)
    raise(ErrorKind::Runtime, doing, ": this value is not known while the function is being recorded: ops are written "
          "down, not computed. Choose by value with fl.where(condition, a, b), or compute the value before and pass it "
          "as an argument of the recorded function");
  raise(ErrorKind::Runtime, doing, ": this tensor was made while a function was being recorded and never got a value; "
        "return it from the recorded function and run the graph");
}

}  // namespace flambeau
