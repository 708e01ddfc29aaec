// pad.cpp: more elements around a tensor.
#include <algorithm>
#include <string>
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kBefore{.name = "before", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kBehind{.name = "behind", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kMode{.name = "mode", .kind = FL_ATTR_TEXT, .required = true};
constexpr int64_t kMost = int64_t{1} << 60;  // more than any memory holds

// What `around` (before, behind, mode) makes of an x of this shape.
Dims padded_shape(const OpRow& row, const Dims& x, Attrs around) {
  const Dims &before = around[0].ints(), &behind = around[1].ints();
  const std::string& mode = around[2].text();
  if (before.size() != x.size() || behind.size() != x.size())
    raise(ErrorKind::Shape, row.name, ": input is ", x, ", before ", before, ", behind ", behind, ": a number for each axis is needed");
  if (mode != "constant" && mode != "reflect" && mode != "replicate" && mode != "circular")
    raise(ErrorKind::Value, row.name, ": mode is '", mode, "'; there are constant, reflect, replicate, circular");
  Dims shape = x;
  for (size_t axis = 0; axis < x.size(); ++axis) {
    const int64_t n = x[axis], low = std::min(before[axis], behind[axis]), high = std::max(before[axis], behind[axis]);
    const int64_t most = mode == "reflect" ? std::max<int64_t>(n - 1, 0) : mode == "circular" ? n : mode == "replicate" && n == 0 ? 0 : kMost;
    if (low < 0 || high > most) {
      raise(ErrorKind::Shape, row.name, ": input is ", x, "; mode '", mode, "' adds 0 to ", most, " elements to each side of axis ", axis,
            ", not (", before[axis], ", ", behind[axis], ")");
    }
    shape[axis] += before[axis] + behind[axis];
  }
  return shape;
}

Tensor placed(const Tensor& x, const Dims& shape, const Dims& starts) {
  Dims stops = starts;
  for (size_t axis = 0; axis < stops.size(); ++axis) stops[axis] += x.shape()[axis];
  return apply(op_named("slice_grad"), std::vector<Tensor>{x}, std::vector<Attr>{shape, starts, stops, Dims::filled(shape.size(), 1)});
}

// Where along an axis n long the elements before x, and those behind it, come from: [start, stop), backward if the mode reflects.
// The one at the edge is all that is repeated.
struct Part {
  int64_t start, stop, count;
};
struct Sides {
  Part left, right;
  bool turned, repeated;
  Sides(const std::string& mode, int64_t n, int64_t before, int64_t behind) : turned(mode == "reflect"), repeated(mode == "replicate") {
    if (turned) {
      left = {1, before + 1, before};
      right = {n - 1 - behind, n - 1, behind};
    } else if (repeated) {
      left = {0, 1, before};
      right = {n - 1, n, behind};
    } else {
      left = {n - before, n, before};
      right = {0, behind, behind};
    }
  }
};

Tensor side_of(const Tensor& x, int64_t axis, const Sides& sides, const Part& part) {
  const Tensor taken = narrow(x, axis, part.start, part.stop);
  if (!sides.repeated) return sides.turned ? turned(taken, axis) : taken;
  Dims shape = x.shape();
  shape[size_t(axis)] = part.count;
  return broadcast_to(taken, shape);
}
// The transpose: what g has on a side, added where it was taken from.
Tensor given_back(const Tensor& g, int64_t axis, const Sides& sides, const Part& part, int64_t from, int64_t n) {
  Tensor share = narrow(g, axis, from, from + part.count);
  if (sides.repeated) share = sum(share, {axis}, true);
  else if (sides.turned) share = turned(share, axis);
  Dims shape = g.shape(), starts = Dims::filled(shape.size(), 0);
  shape[size_t(axis)] = n;
  starts[size_t(axis)] = part.start;
  return placed(share, shape, starts);
}

// An axis in front, without padding.
void batch_front(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  if (batched.size() > 1 && batched[1]) return batch_one_by_one(row, inputs, batched, attrs, outputs);
  std::vector<Attr> moved(attrs.begin(), attrs.end());
  for (size_t i = 0; i < 2; ++i) {
    Dims sizes = attrs[i].ints();
    sizes.insert(0, 0);
    moved[i] = sizes;
  }
  apply(row, inputs, moved, outputs);
}

struct Case {
  Dims x, before, behind;
  const char* mode;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{5}, {2}, {1}, "constant"},           {{2, 3}, {0, 1}, {1, 0}, "constant"},  {{0, 3}, {1, 1}, {0, 1}, "constant"},
      {{}, {}, {}, "constant"},              {{2, 5, 37}, {0, 2, 3}, {0, 1, 4}, "constant"},
      {{5}, {4}, {3}, "reflect"},            {{3, 4}, {1, 3}, {2, 0}, "reflect"},   {{2, 7, 35}, {0, 1, 2}, {0, 3, 1}, "reflect"},
      {{3}, {2}, {5}, "replicate"},          {{2, 1, 3}, {0, 2, 1}, {0, 1, 4}, "replicate"}, {{3, 4, 2}, {0, 2, 0}, {1, 1, 0}, "replicate"},
      {{4}, {4}, {2}, "circular"},           {{2, 3, 5}, {1, 0, 2}, {0, 3, 5}, "circular"}, {{3, 40, 3}, {0, 7, 0}, {0, 9, 0}, "circular"},
      {{2, 0}, {0, 0}, {1, 0}, "circular"},
  };
  return all;
}

const OpRow& kPad = register_op({
    .name = "pad",
    .summary = "x with more elements before and behind along each axis: zeros or `value`, what is next to the edge in reverse, the edge, "
               "or what is at the other end.",
    .min_inputs = 1,
    .max_inputs = 2,
    .input_names = {"x", "value"},
    .attrs = {kBefore, kBehind, kMode},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Tensor& x = inputs[0];
      if (inputs.size() > 1 && (inputs[1].count() != 1 || inputs[1].dtype() != x.dtype() || attrs[2].text() != "constant")) {
        raise(ErrorKind::Value, row.name, ": value is ", inputs[1].shape(), " of ", inputs[1].dtype(), ", input ", x.dtype(), ", mode ",
              attrs[2].text(), ": one number of the input's dtype goes with mode 'constant'");
      }
      out[0] = {padded_shape(row, x.shape(), attrs), x.dtype()};
    },
    .decompose = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor x = inputs[0];
      const Dims shape = padded_shape(row, x.shape(), attrs);
      const Dims &before = attrs[0].ints(), &behind = attrs[1].ints();
      if (attrs[2].text() == "constant") {
        out[0] = placed(x, shape, before);
        if (inputs.size() > 1)
          out[0] = where(placed(full(x.shape(), 1, DType::Bool, x.device()), shape, before), out[0], reshape(inputs[1], {}));
        return;
      }
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        const int64_t at = int64_t(axis);
        const Sides sides(attrs[2].text(), x.size(at), before[axis], behind[axis]);
        std::vector<Tensor> parts;
        if (before[axis]) parts.push_back(side_of(x, at, sides, sides.left));
        parts.push_back(x);
        if (behind[axis]) parts.push_back(side_of(x, at, sides, sides.right));
        if (parts.size() > 1) x = concat(parts, at);
      }
      out[0] = x.get() == inputs[0].get() ? apply(op_named("copy"), {x}) : x;
    },
    .vjp = [](const Backward& b) {
      const Dims& x = b.input(0).shape();
      if (b.attrs[2].text() == "constant") {
        const Dims& starts = b.attrs[0].ints();
        Dims stops = starts;
        for (size_t axis = 0; axis < x.size(); ++axis) stops[axis] += x[axis];
        const Tensor inside = slice(b.grad(), starts, stops, Dims::filled(x.size(), 1));
        if (b.needs(0)) b.give(0, inside);
        if (b.needed.size() > 1 && b.needs(1)) {
          Dims all;
          for (size_t axis = 0; axis < x.size(); ++axis) all.push_back(int64_t(axis));
          b.give(1, reshape(subtract(sum(b.grad(), all, false), sum(inside, all, false)), b.input(1).shape()));
        }
      } else {
        b.give(0, apply(op_named("pad_grad"), std::vector<Tensor>{b.grad()}, b.attrs));
      }
    },
    .batching = batch_front,
    .ulp_note = "the same elements",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : cases()) samples.push_back({{{one.x}}, {one.before, one.behind, one.mode}});
      for (const Case& one : cases())
        if (one.mode == std::string("constant")) samples.push_back({{{one.x}, {{}}}, {one.before, one.behind, one.mode}});
      return samples;
    }(),
});

[[maybe_unused]] const OpRow& kPadGrad = register_op({
    .name = "pad_grad",
    .summary = "The gradient of pad where elements come from x: those of g added up where they were taken from.",
    .input_names = {"g"},
    .attrs = {kBefore, kBehind, kMode},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Tensor& g = inputs[0];
      if (!is_inexact(g.dtype())) raise(ErrorKind::DType, row.name, ": g is ", g.dtype(), ": gradients are floats");
      Dims x = g.shape();
      bool fits = x.size() == attrs[0].ints().size() && x.size() == attrs[1].ints().size();
      for (size_t axis = 0; fits && axis < x.size(); ++axis) {
        const int64_t before = attrs[0].ints()[axis], behind = attrs[1].ints()[axis];
        fits = before >= 0 && behind >= 0 && before <= x[axis] && behind <= x[axis] - before;
        if (fits) x[axis] -= before + behind;
      }
      if (!fits || padded_shape(row, x, attrs) != g.shape())
        raise(ErrorKind::Shape, row.name, ": g is ", g.shape(), ", before ", attrs[0].ints(), ", behind ", attrs[1].ints(),
              ": no x is left between them");
      out[0] = {x, g.dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor g = inputs[0];
      for (size_t axis = g.shape().size(); axis-- > 0;) {
        const int64_t at = int64_t(axis), before = attrs[0].ints()[axis], behind = attrs[1].ints()[axis], n = g.size(at) - before - behind;
        const Sides sides(attrs[2].text(), n, before, behind);
        Tensor sum = narrow(g, at, before, before + n);
        if (attrs[2].text() != "constant") {
          if (before) sum = add(sum, given_back(g, at, sides, sides.left, 0, n));
          if (behind) sum = add(sum, given_back(g, at, sides, sides.right, before + n, n));
        }
        g = sum;
      }
      out[0] = apply(op_named("copy"), {g});
    },
    .vjp = [](const Backward& b) { b.give(0, apply(kPad, std::vector<Tensor>{b.grad()}, b.attrs)); },
    .batching = batch_front,
    .ulp = ulps(8, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "elements are added up one by one, 16-bit ones in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : cases()) {
        Dims g = one.x;
        for (size_t axis = 0; axis < g.size(); ++axis) g[axis] += one.before[axis] + one.behind[axis];
        samples.push_back({{{g}}, {one.before, one.behind, one.mode}});
      }
      return samples;
    }(),
});

}  // namespace

}  // namespace flambeau::ops
