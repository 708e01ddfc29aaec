#include "core/reuse.h"

#include "core/apply.h"
#include "core/launch.h"
#include "core/profile.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

bool is_recorded(Inputs inputs) {
  if (!tape()) return false;
  for (const Tensor& x : inputs)
    if (x.requires_grad()) return true;
  return false;
}

// The input that the result may be written into, or -1.
int place_of(const OpRow& row, Inputs inputs, Attrs attrs, uint32_t candidates, uint32_t held) {
  if (is_watched()) return -1;
  if (!row.pointwise || row.aliases || row.promote_from != 0 || inputs.size() > 3) return -1;
  const DType dtype = inputs[0].dtype();
  if (!contains(row.dtypes, dtype) || (row.result && row.result(dtype, attrs) != dtype)) return -1;
  for (const Tensor& x : inputs)
    if (x.dtype() != dtype || x.device() != cpu() || !x.has_value()) return -1;
  // A rule for gradients reads the inputs that the tape keeps; of the others that has shape and dtype alone.
  if (is_recorded(inputs)) {
    if (!row.vjp || row.differentiable != kAllInputs) return -1;
    candidates &= ~saved_by(row, inputs, attrs).inputs;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    if (!((candidates >> i) & 1u) || x.count() * static_cast<int64_t>(size_of(dtype)) < kReuseBytes || !is_only_owner(x, held)) continue;
    bool all_fit = true;
    for (const Tensor& other : inputs) all_fit = all_fit && broadcasts_to(other.shape(), x.shape());
    if (all_fit) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

bool is_only_owner(const Tensor& x, uint32_t held) {
  const TensorImpl& impl = *x.get();
  return impl.use_count() <= held && impl.storage && impl.storage->use_count() == 1 && !impl.storage->borrowed() &&
         !impl.storage->read_only && impl.contiguous && impl.offset == 0 && !impl.is_view && impl.recorded < 0 && !impl.batch;
}

bool is_watched() { return thread_state.detour || thread_state.recorder || profile_mode.load(std::memory_order_relaxed); }

Tensor apply_over(const OpRow& row, Inputs inputs, Attrs attrs, uint32_t candidates, uint32_t held) {
  const bool counts = inputs.size() >= static_cast<size_t>(row.min_inputs) && !inputs.empty() && row.min_inputs == row.max_inputs &&
                      inputs.size() == static_cast<size_t>(row.max_inputs);
  if (const int i = counts ? place_of(row, inputs, attrs, candidates, held) : -1; i >= 0) {
    const Tensor& x = inputs[static_cast<size_t>(i)];
    Tensor output = x.alias(x.shape(), x.strides(), 0);
    if (launch(row, cpu(), inputs, attrs, {&output, 1})) {
      output->storage->version.store(0, std::memory_order_relaxed);  // as in memory of its own: checkpoints compare
      if (is_recorded(inputs)) tape()->record(row, inputs, attrs, {&output, 1});
      return output;
    }
  }
  return apply(row, inputs, attrs);
}

std::vector<Tensor> apply_all_over(const OpRow& row, Inputs inputs, Attrs attrs, uint32_t held) {
  const Tensor& first = inputs[0];
  const DType dtype = first.dtype();
  bool may = !is_watched() && !is_recorded(inputs) && contains(row.dtypes, dtype) && is_only_owner(first, held) &&
             first.count() * static_cast<int64_t>(size_of(dtype)) >= kReuseBytes;
  for (const Tensor& x : inputs) may = may && x.dtype() == dtype && x.device() == cpu() && x.has_value();
  if (may) {
    std::vector<Meta> metas(static_cast<size_t>(row.output_count));
    row.infer(row, inputs, attrs, metas);
    if (metas[0].shape == first.shape() && metas[0].dtype == dtype) {
      std::vector<Tensor> outputs{first.alias(first.shape(), first.strides(), 0)};
      for (size_t i = 1; i < metas.size(); ++i) outputs.push_back(Tensor::empty(std::move(metas[i].shape), metas[i].dtype, cpu()));
      if (launch(row, cpu(), inputs, attrs, outputs)) {
        outputs[0]->storage->version.store(0, std::memory_order_relaxed);
        return outputs;
      }
    }
  }
  return apply_all(row, inputs, attrs);
}

}  // namespace flambeau
