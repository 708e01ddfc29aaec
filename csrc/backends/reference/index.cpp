// index.cpp: elements chosen by indices read from a tensor, and the sums that are their gradients. An index counts
// from the end if negative.
#include <cinttypes>
#include <cstring>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

// The index at `from`, from 0 to size - 1; -1 after refusing it.
int64_t index_at(const Loop& loop, Type type, const char* from, int64_t size, int64_t axis) {
  int64_t index = load_int(type, from);
  if (index >= -size && index < size) return index < 0 ? index + size : index;
  refuse(FL_BAD_INDEX, "%s: index %" PRId64 " is out of range for axis %" PRId64 ", which is %" PRId64
         " long: indices go from %" PRId64 " to %" PRId64, loop.name, index, axis, size, -size, size - 1);
  return -1;
}

// The part of a tensor at one index, without that axis.
struct Part {
  Part(const fl_tensor& tensor, int32_t axis, int64_t index) : view(tensor) {
    view.fix(axis, index);
    view.shape.erase(view.shape.begin() + axis);
    view.strides.erase(view.strides.begin() + axis);
    view.tensor.ndim -= 1;
  }
  View view;
};

// Several axes at one position: `indices` stands for indices.ndim axes of the output, from `axis` on.
View part_at(const fl_tensor& out, int32_t axis, const Walk& indices, int32_t index_ndim) {
  View view(out);
  for (int32_t i = 0; i < index_ndim; ++i) view.fix(axis + i, indices.index(i));
  view.shape.erase(view.shape.begin() + axis, view.shape.begin() + axis + index_ndim);
  view.strides.erase(view.strides.begin() + axis, view.strides.begin() + axis + index_ndim);
  view.tensor.ndim -= index_ndim;
  return view;
}

// take(x, indices; axis): out's axes are x's with `axis` replaced by those of the indices.
fl_status run_take(const Loop& loop, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& indices = call.inputs[1];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  Type index_type = type_of(indices.dtype);
  size_t size = size_of(type_of(x.dtype));
  for (Walk at(indices.ndim, indices.shape, {&indices}); !at.done(); at.next()) {
    int64_t index = index_at(loop, index_type, at.at(0), x.shape[axis], axis);
    if (index < 0) return FL_BAD_INDEX;
    Part from(x, axis, index);
    View to = part_at(call.outputs[0], axis, at, indices.ndim);
    const fl_tensor* source = from.view.get();
    for (Walk walk(source->ndim, source->shape, {to.get(), source}); !walk.done(); walk.next()) {
      std::memcpy(walk.at(0), walk.at(1), size);
    }
  }
  return FL_OK;
}

// Sums of many small things into the elements of a tensor, rounded once at the end.
class Sums {
 public:
  explicit Sums(const fl_tensor& out) : out_(out), sums_(static_cast<size_t>(element_count(out)), 0.0) {}
  // The dense tensor of complex numbers that stands for `out`.
  fl_tensor dense() {
    strides_.assign(static_cast<size_t>(out_.ndim), 1);
    for (int32_t axis = out_.ndim - 1; axis-- > 0;) {
      strides_[static_cast<size_t>(axis)] = strides_[static_cast<size_t>(axis) + 1] * out_.shape[axis + 1];
    }
    return {reinterpret_cast<fl_memory>(sums_.data()), 0, out_.shape, strides_.data(), out_.ndim, {FL_COMPLEX, 128, 1}};
  }
  void store() {
    fl_tensor from = dense();
    Type type = type_of(out_.dtype);
    for (Walk walk(out_.ndim, out_.shape, {&out_, &from}); !walk.done(); walk.next()) {
      store_complex(type, walk.at(0), load_complex(Type::kComplex128, walk.at(1)));
    }
  }

 private:
  const fl_tensor& out_;
  std::vector<Complex> sums_;
  std::vector<int64_t> strides_;
};

void add_to(char* sum, Complex value) {
  store_complex(Type::kComplex128, sum, load_complex(Type::kComplex128, sum) + value);
}

// take_grad(g, indices; axis, size): out[..., indices[j], ...] += g[..., j, ...].
fl_status run_take_grad(const Loop& loop, const fl_call& call) {
  const fl_tensor& g = call.inputs[0];
  const fl_tensor& indices = call.inputs[1];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  Type type = type_of(g.dtype);
  Sums sums(call.outputs[0]);
  fl_tensor total = sums.dense();
  for (Walk at(indices.ndim, indices.shape, {&indices}); !at.done(); at.next()) {
    int64_t index = index_at(loop, type_of(indices.dtype), at.at(0), attr_int(call, 1), axis);
    if (index < 0) return FL_BAD_INDEX;
    Part to(total, axis, index);
    View from = part_at(g, axis, at, indices.ndim);
    const fl_tensor* target = to.view.get();
    for (Walk walk(target->ndim, target->shape, {target, from.get()}); !walk.done(); walk.next()) {
      add_to(walk.at(0), load_complex(type, walk.at(1)));
    }
  }
  sums.store();
  return FL_OK;
}

// A pointer to the element at the walk's place, but at `index` along `axis`.
char* element_at(const fl_tensor& tensor, const Walk& walk, int32_t axis, int64_t index) {
  View view(tensor);
  for (int32_t i = 0; i < tensor.ndim; ++i) view.fix(i, i == axis ? index : walk.index(i));
  return data(*view.get());
}

// take_along_axis(x, indices; axis): indices has out's shape; out[i, j] = x[i, indices[i, j]].
fl_status run_take_along_axis(const Loop& loop, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& indices = call.inputs[1];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  size_t size = size_of(type_of(x.dtype));
  const fl_tensor& out = call.outputs[0];
  for (Walk walk(out.ndim, out.shape, {&out, &indices}); !walk.done(); walk.next()) {
    int64_t index = index_at(loop, type_of(indices.dtype), walk.at(1), x.shape[axis], axis);
    if (index < 0) return FL_BAD_INDEX;
    std::memcpy(walk.at(0), element_at(x, walk, axis, index), size);
  }
  return FL_OK;
}

fl_status run_take_along_axis_grad(const Loop& loop, const fl_call& call) {
  const fl_tensor& g = call.inputs[0];
  const fl_tensor& indices = call.inputs[1];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  Type type = type_of(g.dtype);
  Sums sums(call.outputs[0]);
  fl_tensor total = sums.dense();
  for (Walk walk(g.ndim, g.shape, {&g, &indices}); !walk.done(); walk.next()) {
    int64_t index = index_at(loop, type_of(indices.dtype), walk.at(1), attr_int(call, 1), axis);
    if (index < 0) return FL_BAD_INDEX;
    add_to(element_at(total, walk, axis, index), load_complex(type, walk.at(0)));
  }
  sums.store();
  return FL_OK;
}

// one_hot(indices; classes): out[..., c] is 1 where c is the index.
fl_status run_one_hot(const Loop& loop, const fl_call& call) {
  const fl_tensor& indices = call.inputs[0];
  const fl_tensor& out = call.outputs[0];
  const int64_t classes = attr_int(call, 0);
  const Type type = type_of(indices.dtype);
  const int64_t step = classes ? out.strides[indices.ndim] * static_cast<int64_t>(size_of(type)) : 0;
  View lines(out);
  lines.tensor.ndim = indices.ndim;
  for (Walk walk(indices.ndim, indices.shape, {lines.get(), &indices}); !walk.done(); walk.next()) {
    const int64_t index = load_int(type, walk.at(1));
    if (index < 0 || index >= classes) {
      return refuse(FL_BAD_INDEX, "%s: index %" PRId64 " is out of range for axis %" PRId64 ", which is %" PRId64
                    " long: indices go from 0 to %" PRId64, loop.name, index, static_cast<int64_t>(indices.ndim), classes,
                    classes - 1);
    }
    for (int64_t c = 0; c < classes; ++c) store_int(type, walk.at(0) + c * step, c == index);
  }
  return FL_OK;
}

}  // namespace

void add_index(Loops& loops) {
  auto any = [](const Loop&, const Type* t, int32_t n) { return n == 3 && is_integer(t[1]) && t[0] == t[2]; };
  auto floats = [](const Loop&, const Type* t, int32_t n) {
    return n == 3 && (is_float(t[0]) || is_complex(t[0])) && is_integer(t[1]) && t[0] == t[2];
  };
  auto same = [](const Loop&, const Type* t, int32_t n) { return n == 2 && is_integer(t[0]) && t[0] == t[1]; };
  loops.push_back({"one_hot", same, run_one_hot});
  loops.push_back({"take", any, run_take});
  loops.push_back({"take_grad", floats, run_take_grad});
  loops.push_back({"take_along_axis", any, run_take_along_axis});
  loops.push_back({"take_along_axis_grad", floats, run_take_along_axis_grad});
}

}  // namespace flambeau::reference
