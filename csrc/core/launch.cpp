#include "core/launch.h"

#include <atomic>
#include <vector>

#include "core/allocator.h"
#include "core/apply.h"
#include "core/threads.h"

namespace flambeau {
namespace {

// An array that stands on the stack unless it is long.
template <class T, size_t kShort>
class Array {
 public:
  explicit Array(size_t size) : size_(size) {
    if (size > kShort) long_.resize(size);
  }
  T* data() { return size_ > kShort ? long_.data() : short_; }
  T& operator[](size_t i) { return data()[i]; }
  size_t size() const { return size_; }

 private:
  size_t size_;
  T short_[kShort];
  std::vector<T> long_;
};

constexpr size_t kOperands = 8;
constexpr int64_t kOne[1] = {1};
constexpr int64_t kZero[1] = {0};

fl_tensor c_tensor(const Tensor& t) {
  const TensorImpl& impl = *t.get();
  fl_tensor c;
  c.memory = impl.storage ? impl.storage->memory : nullptr;
  c.byte_offset = static_cast<uint64_t>(impl.offset) * size_of(impl.dtype);
  c.shape = impl.shape.data();
  c.strides = impl.strides.data();
  c.ndim = static_cast<int32_t>(impl.shape.size());
  c.dtype = to_c(impl.dtype);
  return c;
}

// Shapes and strides of a pointwise call's operands after broadcasting and merging: all share one shape.
struct Merged {
  int64_t shape[kMaxDims];
  int64_t strides[kOperands][kMaxDims];
};

void point_at(fl_tensor& t, const int64_t* shape, const int64_t* strides, int32_t ndim) {
  t.shape = shape;
  t.strides = strides;
  t.ndim = ndim;
}

// Neighbouring dimensions become one where every operand steps through them evenly.
int32_t merge(Merged& merged, std::span<const Tensor> operands, const Dims& shape) {
  const size_t n = operands.size();
  int32_t ndim = 0;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    int64_t step[kOperands];
    bool joins = ndim > 0;
    for (size_t i = 0; i < n; ++i) {
      const Tensor& t = operands[i];
      const size_t lead = shape.size() - t.shape().size();
      const bool repeats = axis < lead || t.shape()[axis - lead] == 1;
      step[i] = repeats ? 0 : t.strides()[axis - lead];
      joins = joins && merged.strides[i][ndim - 1] == step[i] * shape[axis];
    }
    if (!joins) merged.shape[ndim++] = 1;
    merged.shape[ndim - 1] *= shape[axis];
    for (size_t i = 0; i < n; ++i) merged.strides[i][ndim - 1] = step[i];
  }
  return ndim;
}

fl_status run(const fl_kernel* kernel, Device* device, const fl_call& call) {
  (void)device;
  struct Scratch {
    ~Scratch() { release_scratch(); }
  } given_back;
  return kernel->run(kernel, nullptr, &call);
}

// A kernel that stopped halfway has changed what it writes over: it cannot begin again.
bool writes_over_an_input(const fl_call& call) {
  for (int32_t o = 0; o < call.output_count; ++o)
    for (int32_t i = 0; i < call.input_count; ++i)
      if (call.outputs[o].memory == call.inputs[i].memory) return true;
  return false;
}

bool launch_kernel(const OpRow& row, Device* device, const fl_kernel* kernel, const fl_call& call) {
  if (kernel->claims) {
    Array<fl_tensor, kOperands> bare(static_cast<size_t>(call.input_count + call.output_count));
    for (int32_t i = 0; i < call.input_count; ++i) bare[static_cast<size_t>(i)] = call.inputs[i];
    for (int32_t i = 0; i < call.output_count; ++i) bare[static_cast<size_t>(call.input_count + i)] = call.outputs[i];
    for (size_t i = 0; i < bare.size(); ++i) bare[i].memory = nullptr;
    fl_call signature = call;
    signature.inputs = bare.data();
    signature.outputs = bare.data() + call.input_count;
    if (!device->claims(kernel, signature)) return false;
  }
  const fl_status status = run(kernel, device, call);
  if (status == FL_OK) return true;
  if (status == FL_UNSUPPORTED) { take_failure(); return false; }
  if (status == FL_OUT_OF_MEMORY && !writes_over_an_input(call) && device->allocator().trim() > 0 && run(kernel, device, call) == FL_OK)
    return true;
  raise_status(status, *device, row.name);
}

std::atomic<bool> fallback{false};
std::atomic<int64_t> fallbacks{0};

}  // namespace

void allow_fallback(bool allowed) { fallback.store(allowed); }
bool fallback_allowed() { return fallback.load(); }
int64_t fallback_count() { return fallbacks.load(); }

bool launch(const OpRow& row, Device* device, Inputs inputs, Attrs attrs, std::span<const Tensor> outputs) {
  Array<DType, kOperands> dtypes(inputs.size() + outputs.size());
  size_t dtype_count = 0;
  if (row.max_inputs == kAnyNumber) {
    // Repeated inputs have one dtype; in-place rows have no other output.
    if (!inputs.empty()) dtypes[dtype_count++] = inputs[0].dtype();
    if (!row.aliases && !outputs.empty()) dtypes[dtype_count++] = outputs[0].dtype();
  } else {
    for (const Tensor& t : inputs) dtypes[dtype_count++] = t.dtype();
    for (const Tensor& t : outputs) dtypes[dtype_count++] = t.dtype();
  }
  const fl_kernel* kernel = device->kernel(row, {dtypes.data(), dtype_count});
  if (!kernel) return false;

  const size_t n = inputs.size() + outputs.size();
  Array<fl_tensor, kOperands> operands(n);
  for (size_t i = 0; i < inputs.size(); ++i) operands[i] = c_tensor(inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i) operands[inputs.size() + i] = c_tensor(outputs[i]);

  fl_call call;
  call.struct_size = sizeof call;
  call.input_count = static_cast<int32_t>(inputs.size());
  call.output_count = static_cast<int32_t>(outputs.size());
  call.attr_count = static_cast<int32_t>(attrs.size());
  call.inputs = operands.data();
  call.outputs = operands.data() + inputs.size();
  Array<fl_attr, kOperands> c_attrs(attrs.size());
  for (size_t i = 0; i < attrs.size(); ++i) c_attrs[i] = attrs[i].to_c();
  call.attrs = c_attrs.data();

  if (row.pointwise) {
    const Tensor& out = outputs[0];
    bool flat = out.contiguous();
    for (const Tensor& t : inputs) flat = flat && (t.count() == 1 || (t.contiguous() && t.shape() == out.shape()));
    if (flat) {
      const int64_t count = out.count();
      for (size_t i = 0; i < inputs.size(); ++i)
        point_at(operands[i], &count, inputs[i].count() == 1 && count != 1 ? kZero : kOne, 1);
      point_at(operands[inputs.size()], &count, kOne, 1);
      return launch_kernel(row, device, kernel, call);
    }
    if (n <= kOperands) {
      Merged merged;
      Tensor all[kOperands];
      for (size_t i = 0; i < inputs.size(); ++i) all[i] = inputs[i];
      all[inputs.size()] = out;
      const int32_t ndim = merge(merged, {all, n}, out.shape());
      for (size_t i = 0; i < n; ++i) point_at(operands[i], merged.shape, merged.strides[i], ndim);
      return launch_kernel(row, device, kernel, call);
    }
  }
  if (row.arrange) {
    std::vector<Window> windows(n);
    for (size_t i = 0; i < n; ++i) {
      const Tensor& t = i < inputs.size() ? inputs[i] : outputs[i - inputs.size()];
      windows[i] = {t.shape(), t.strides(), t->offset};
    }
    if (!row.arrange(row, attrs, windows)) return false;
    for (size_t i = 0; i < n; ++i)
      point_at(operands[i], windows[i].shape.data(), windows[i].strides.data(), static_cast<int32_t>(windows[i].shape.size()));
    return launch_kernel(row, device, kernel, call);
  }
  return launch_kernel(row, device, kernel, call);
}

void launch_on_cpu(const OpRow& row, Device* device, Inputs inputs, Attrs attrs, std::span<const Tensor> outputs) {
  if (device == cpu() || !fallback_allowed()) {
    std::string types;
    for (const Tensor& t : inputs) types += (types.empty() ? "" : ", ") + std::string(name_of(t.dtype()));
    types += " -> ";
    types += outputs.empty() ? "nothing" : name_of(outputs[0].dtype());
    raise(ErrorKind::NotImplemented, row.name, ": ", device->name(), " has no kernel for (", types, ")",
          device == cpu() ? "; cast the inputs with x.astype(fl.float32)"
                          : "; move the inputs with x.to('cpu'), or let the CPU step in with fl.devices.allow_fallback()");
  }
  fallbacks.fetch_add(1);
  std::vector<Tensor> here_in;
  std::vector<Tensor> here_out;
  for (const Tensor& t : inputs) here_in.push_back(to_device(t, cpu()));
  for (size_t i = 0; i < outputs.size(); ++i) {
    size_t same = inputs.size();
    for (size_t j = 0; row.aliases && j < inputs.size(); ++j)
      if (inputs[j].get() == outputs[i].get()) same = j;
    here_out.push_back(same < inputs.size() ? here_in[same] : Tensor::empty(outputs[i].shape(), outputs[i].dtype(), cpu()));
  }
  if (!launch(row, cpu(), here_in, attrs, here_out))
    raise(ErrorKind::NotImplemented, row.name, ": neither ", device->name(), " nor the CPU has a kernel for ",
          inputs.empty() ? outputs[0].dtype() : inputs[0].dtype());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Tensor dense = contiguous(here_out[i]);
    if (dense.count())
      device->copy_from_host(outputs[i]->storage->memory, static_cast<uint64_t>(outputs[i]->offset) * size_of(dense.dtype()),
                             dense.host_data(), static_cast<uint64_t>(dense.count()) * size_of(dense.dtype()));
  }
}

}  // namespace flambeau
