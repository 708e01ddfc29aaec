// softmax.cpp: softmax along an axis, its gradients, and cross entropy with class indices.
#include <cinttypes>
#include <cmath>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

// One line of a tensor along an axis, as doubles.
std::vector<double> read_line(const char* first, Type type, int64_t length, int64_t stride) {
  std::vector<double> line(static_cast<size_t>(length));
  int64_t step = stride * static_cast<int64_t>(size_of(type));
  for (int64_t i = 0; i < length; ++i) line[static_cast<size_t>(i)] = load_float(type, first + i * step);
  return line;
}

void write_line(char* first, Type type, int64_t stride, const std::vector<double>& line) {
  int64_t step = stride * static_cast<int64_t>(size_of(type));
  for (double value : line) {
    store_float(type, first, value);
    first += step;
  }
}

double largest(const std::vector<double>& line) {
  double top = -HUGE_VAL;
  for (double value : line) {
    if (std::isnan(value)) return value;
    if (value > top) top = value;
  }
  return top;
}

// Subtract the largest first: exp() of a large logit overflows.
void log_softmax(std::vector<double>& line) {
  double top = largest(line);
  double total = 0;
  for (double& value : line) {
    value -= top;
    total += std::exp(value);
  }
  double shift = std::log(total);
  for (double& value : line) value -= shift;
}

void softmax(std::vector<double>& line) {
  double top = largest(line);
  double total = 0;
  for (double& value : line) {
    value = std::exp(value - top);
    total += value;
  }
  for (double& value : line) value /= total;
}

// softmax_grad(g, y) = y (g - sum(g y)); log_softmax_grad(g, y) = g - exp(y) sum(g). `line` is g on entry.
void softmax_grad(std::vector<double>& line, const std::vector<double>& y) {
  double total = 0;
  for (size_t i = 0; i < line.size(); ++i) total += line[i] * y[i];
  for (size_t i = 0; i < line.size(); ++i) line[i] = y[i] * (line[i] - total);
}

void log_softmax_grad(std::vector<double>& line, const std::vector<double>& y) {
  double total = 0;
  for (double value : line) total += value;
  for (size_t i = 0; i < line.size(); ++i) line[i] -= std::exp(y[i]) * total;
}

struct Line {
  void (*forward)(std::vector<double>& line);
  void (*backward)(std::vector<double>& line, const std::vector<double>& y);
};
constexpr Line kSoftmax{softmax, nullptr};
constexpr Line kLogSoftmax{log_softmax, nullptr};
constexpr Line kSoftmaxGrad{nullptr, softmax_grad};
constexpr Line kLogSoftmaxGrad{nullptr, log_softmax_grad};

// Attribute: axis.
fl_status run_line(const Loop& loop, const fl_call& call) {
  const Line& op = *static_cast<const Line*>(loop.detail);
  const fl_tensor& out = call.outputs[0];
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& y = call.inputs[call.input_count - 1];
  if (element_count(out) == 0) return FL_OK;
  if (out.ndim == 0) {  // one element is a line of its own
    std::vector<double> line{load_float(type_of(x.dtype), data(x))};
    if (op.forward) op.forward(line);
    else op.backward(line, {load_float(type_of(y.dtype), data(y))});
    store_float(type_of(out.dtype), data(out), line[0]);
    return FL_OK;
  }
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  int64_t length = out.shape[axis];
  Type type = type_of(out.dtype);
  View lines(out);
  lines.fix(axis, 0);
  for (Walk walk(out.ndim, lines.shape.data(), {&out, &x, &y}); !walk.done(); walk.next()) {
    std::vector<double> line = read_line(walk.at(1), type, length, x.strides[axis]);
    if (op.forward) op.forward(line);
    else op.backward(line, read_line(walk.at(2), type, length, y.strides[axis]));
    write_line(walk.at(0), type, out.strides[axis], line);
  }
  return FL_OK;
}

// Attributes of cross_entropy and its gradient.
struct Options {
  explicit Options(const fl_call& call)
      : reduction(attr_int(call, 0)), ignore_index(attr_int(call, 1)), smoothing(attr_float(call, 2)) {}
  int64_t reduction;  // 0 none, 1 mean, 2 sum
  int64_t ignore_index;
  double smoothing;
};

char* element(const fl_tensor& tensor, int64_t i) {
  return data(tensor) + i * tensor.strides[0] * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
}

int64_t target_at(const fl_tensor& target, int64_t row) {
  return load_int(type_of(target.dtype), element(target, row));
}

fl_status check_targets(const Loop& loop, const fl_tensor& target, int64_t classes, const Options& options) {
  for (int64_t row = 0; row < target.shape[0]; ++row) {
    int64_t index = target_at(target, row);
    if (index == options.ignore_index || (index >= 0 && index < classes)) continue;
    return refuse(FL_BAD_INDEX,
                  "%s: target %" PRId64 " at row %" PRId64 " is not a class: classes go from 0 to %" PRId64
                  " (ignore_index is %" PRId64 ")",
                  loop.name, index, row, classes - 1, options.ignore_index);
  }
  return FL_OK;
}

int64_t count_kept(const fl_tensor& target, const Options& options) {
  int64_t kept = 0;
  for (int64_t row = 0; row < target.shape[0]; ++row) kept += target_at(target, row) != options.ignore_index;
  return kept;
}

fl_status run_cross_entropy(const Loop& loop, const fl_call& call) {
  const fl_tensor& logits = call.inputs[0];
  const fl_tensor& target = call.inputs[1];
  const fl_tensor& loss = call.outputs[0];
  const fl_tensor& saved = call.outputs[1];
  Options options(call);
  int64_t classes = logits.shape[1];
  Type type = type_of(logits.dtype);
  if (fl_status status = check_targets(loop, target, classes, options); status != FL_OK) return status;
  double total = 0;
  for (int64_t row = 0; row < logits.shape[0]; ++row) {
    std::vector<double> line = read_line(element(logits, row), type, classes, logits.strides[1]);
    log_softmax(line);
    write_line(element(saved, row), type, saved.strides[1], line);
    int64_t index = target_at(target, row);
    double row_loss = 0;
    if (index != options.ignore_index) {
      row_loss = -(1 - options.smoothing) * line[static_cast<size_t>(index)];
      if (options.smoothing != 0) {
        double sum = 0;
        for (double value : line) sum += value;
        row_loss -= options.smoothing / static_cast<double>(classes) * sum;
      }
    }
    if (options.reduction == 0) store_float(type, element(loss, row), row_loss);
    total += row_loss;
  }
  if (options.reduction == 1) total /= static_cast<double>(count_kept(target, options));
  if (options.reduction != 0) store_float(type, data(loss), total);
  return FL_OK;
}

// cross_entropy_grad(g, log_probabilities, target): scale (exp(l) - wanted distribution), 0 in ignored rows.
fl_status run_cross_entropy_grad(const Loop& loop, const fl_call& call) {
  const fl_tensor& g = call.inputs[0];
  const fl_tensor& saved = call.inputs[1];
  const fl_tensor& target = call.inputs[2];
  const fl_tensor& out = call.outputs[0];
  Options options(call);
  int64_t classes = saved.shape[1];
  Type type = type_of(out.dtype);
  if (fl_status status = check_targets(loop, target, classes, options); status != FL_OK) return status;
  double kept = static_cast<double>(count_kept(target, options));
  for (int64_t row = 0; row < saved.shape[0]; ++row) {
    std::vector<double> line(static_cast<size_t>(classes), 0.0);
    int64_t index = target_at(target, row);
    if (index != options.ignore_index) {
      double scale = load_float(type, options.reduction == 0 ? element(g, row) : data(g));
      if (options.reduction == 1) scale /= kept;
      line = read_line(element(saved, row), type, classes, saved.strides[1]);
      for (double& value : line) value = scale * (std::exp(value) - options.smoothing / static_cast<double>(classes));
      line[static_cast<size_t>(index)] -= scale * (1 - options.smoothing);
    }
    write_line(element(out, row), type, out.strides[1], line);
  }
  return FL_OK;
}

}  // namespace

void add_softmax(Loops& loops) {
  auto one = [](const Loop&, const Type* t, int32_t n) { return n == 2 && is_float(t[0]) && t[1] == t[0]; };
  auto two = [](const Loop&, const Type* t, int32_t n) {
    return n == 3 && is_float(t[0]) && t[1] == t[0] && t[2] == t[0];
  };
  auto loss = [](const Loop&, const Type* t, int32_t n) {
    return n == 4 && is_float(t[0]) && is_integer(t[1]) && t[2] == t[0] && t[3] == t[0];
  };
  auto loss_grad = [](const Loop&, const Type* t, int32_t n) {
    return n == 4 && is_float(t[0]) && t[1] == t[0] && is_integer(t[2]) && t[3] == t[0];
  };
  loops.push_back({"softmax", one, run_line, &kSoftmax});
  loops.push_back({"log_softmax", one, run_line, &kLogSoftmax});
  loops.push_back({"softmax_grad", two, run_line, &kSoftmaxGrad});
  loops.push_back({"log_softmax_grad", two, run_line, &kLogSoftmaxGrad});
  loops.push_back({"cross_entropy", loss, run_cross_entropy});
  loops.push_back({"cross_entropy_grad", loss_grad, run_cross_entropy_grad});
}

}  // namespace flambeau::reference
