#include "autograd/anomaly.h"

#include "autograd/autograd.h"
#include "core/apply.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

std::string (*line_finder)() = nullptr;

bool observe(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  Unobserved inside;
  // An op in place would hide what its inputs were.
  const bool had = row.aliases && any_nan(inputs);
  apply(row, inputs, attrs, outputs);
  if (inputs.empty() || !any_nan(outputs) || had || (!row.aliases && any_nan(inputs))) return true;
  std::string shapes;
  for (const Tensor& x : inputs) shapes += text(shapes.empty() ? "" : ", ", x.shape());
  const std::string line = user_line();
  raise(ErrorKind::Runtime, row.name, " made a NaN of inputs without one, of shapes ", shapes, line.empty() ? "" : "; called at ", line);
}

const bool installed = [] {
  install_detour(kDetourAnomaly, observe);
  return true;
}();

}  // namespace

std::string user_line() { return line_finder ? line_finder() : std::string(); }
void install_line_finder(std::string (*finder)()) { line_finder = finder; }

void set_anomaly(bool enabled) {
  thread_state.anomaly = enabled;
  if (enabled) thread_state.detour |= kDetourAnomaly;
  else thread_state.detour &= static_cast<uint8_t>(~kDetourAnomaly);
}

bool any_nan(std::span<const Tensor> tensors) {
  if (recorder()) return false;
  static const OpRow& isnan = op_named("isnan");
  static const OpRow& any = op_named("any");
  NoGrad off;
  Unobserved inside;
  for (const Tensor& x : tensors) {
    if (!x.defined() || !is_inexact(x.dtype()) || x.count() == 0 || !x.has_value()) continue;
    Dims axes;
    for (int64_t i = 0; i < x.ndim(); ++i) axes.push_back(i);
    const Tensor found = to_device(apply(any, {apply(isnan, {x})}, {axes, false}), cpu());
    if (*static_cast<const bool*>(found.host_data())) return true;
  }
  return false;
}

}  // namespace flambeau
