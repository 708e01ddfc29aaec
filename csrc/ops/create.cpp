// create.cpp: tensors from nothing but attributes, on the current device.
#include <algorithm>

#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

void require_shape(const OpRow& row, const Dims& shape) {
  for (int64_t size : shape) {
    if (size < 0) raise(ErrorKind::Shape, row.name, ": shape is ", shape, ": sizes are at least 0");
  }
  count_of(shape);
}

void require_number(const OpRow& row, DType dtype) {
  if (dtype == DType::Bool) raise(ErrorKind::DType, row.name, ": dtype is bool: ask for numbers and compare them");
}

[[maybe_unused]] const OpRow& kFull = register_op({
    .name = "full",
    .summary = "One value everywhere: `value` for floats, with `imaginary` for complex numbers, `value_int` for integers "
               "(of a uint64 the bits) and bool.",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {{.name = "shape", .kind = FL_ATTR_INTS, .required = true},
              {.name = "value", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "value_int", .kind = FL_ATTR_INT, .fallback = 0},
              {.name = "dtype", .kind = FL_ATTR_DTYPE, .required = true},
              {.name = "imaginary", .kind = FL_ATTR_FLOAT, .fallback = 0.0}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs, Attrs attrs, std::span<Meta> out) {
      require_shape(row, attrs[0].ints());
      out[0] = {attrs[0].ints(), attrs[3].as_dtype()};
    },
    .differentiable = 0,
    .ulp_note = "one rounding of the value",
    .samples = {{{}, {Dims{}, 0.1, 7, DType::Float32, 0.0}},
                {{}, {Dims{3, 4}, 0.1, 7, DType::Float64, 0.0}},
                {{}, {Dims{2}, 0.1, 7, DType::Float16, 0.0}},
                {{}, {Dims{2}, 0.1, 7, DType::BFloat16, 0.0}},
                {{}, {Dims{0, 3}, 0.1, 7, DType::Float32, 0.0}},
                {{}, {Dims{1037}, 0.1, -7, DType::Int32, 0.0}},
                {{}, {Dims{5}, 0.1, int64_t{9007199254740993}, DType::Int64, 0.0}},
                {{}, {Dims{5}, 0.1, 1, DType::Bool, 0.0}},
                {{}, {Dims{5}, 0.1, -7, DType::Int8, 0.0}},
                {{}, {Dims{5}, 0.1, -7, DType::Int16, 0.0}},
                {{}, {Dims{1037}, 0.1, 200, DType::UInt8, 0.0}},
                {{}, {Dims{5}, 0.1, 60000, DType::UInt16, 0.0}},
                {{}, {Dims{5}, 0.1, int64_t{4000000000}, DType::UInt32, 0.0}},
                {{}, {Dims{5}, 0.1, int64_t{9007199254740993}, DType::UInt64, 0.0}},
                {{}, {Dims{5}, 0.1, 0, DType::Complex64, -0.25}},
                {{}, {Dims{1037}, 0.1, 0, DType::Complex128, 0.7}}},
});

const OpRow& kArange = register_op({
    .name = "arange",
    .summary = "start, start + step, ...: `count` numbers, exact in int64 for integers.",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {{.name = "start", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "step", .kind = FL_ATTR_FLOAT, .fallback = 1.0},
              {.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "dtype", .kind = FL_ATTR_DTYPE, .required = true}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs, Attrs attrs, std::span<Meta> out) {
      require_number(row, attrs[3].as_dtype());
      int64_t count = attrs[2].as_int();
      if (count < 0) raise(ErrorKind::Value, row.name, ": count is ", count, ": it is at least 0");
      out[0] = {Dims{count}, attrs[3].as_dtype()};
    },
    .differentiable = 0,
    .ulp = ulps(1, 2, 0, 2, 0),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "one product and one sum, in float32 where there is no float64",
    .samples = {{{}, {0.0, 1.0, 0, DType::Float32}},
                {{}, {0.0, 1.0, 1037, DType::Float32}},
                {{}, {0.5, -0.25, 7, DType::Float64}},
                {{}, {3.0, -2.0, 9, DType::Int32}},
                {{}, {-5.0, 3.0, 9, DType::Int64}},
                {{}, {0.0, 0.5, 9, DType::Float16}},
                {{}, {0.0, 0.5, 9, DType::BFloat16}},
                {{}, {-3.0, 2.0, 9, DType::Int8}},
                {{}, {-3.0, 2.0, 9, DType::Int16}},
                {{}, {3.0, 2.0, 9, DType::UInt8}},
                {{}, {3.0, 2.0, 9, DType::UInt16}},
                {{}, {3.0, 2.0, 9, DType::UInt32}},
                {{}, {3.0, 2.0, 9, DType::UInt64}},
                {{}, {0.5, -0.25, 7, DType::Complex64}},
                {{}, {0.5, -0.25, 7, DType::Complex128}}},
});

// int32 on purpose: it exists on every device.
Tensor counted(int64_t start, int64_t count) {
  return apply(kArange, Inputs{}, std::vector<Attr>{static_cast<double>(start), 1.0, count, DType::Int32});
}

[[maybe_unused]] const OpRow& kEye = register_op({
    .name = "eye",
    .summary = "Zeros with ones on a diagonal: 0 is the main one, above it positive, below negative.",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {{.name = "rows", .kind = FL_ATTR_INT, .required = true},
              {.name = "columns", .kind = FL_ATTR_INT, .required = true},
              {.name = "diagonal", .kind = FL_ATTR_INT, .fallback = 0},
              {.name = "dtype", .kind = FL_ATTR_DTYPE, .required = true}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs, Attrs attrs, std::span<Meta> out) {
      Dims shape{attrs[0].as_int(), attrs[1].as_int()};
      require_shape(row, shape);
      out[0] = {shape, attrs[3].as_dtype()};
    },
    .decompose = [](const OpRow&, Inputs, Attrs attrs, std::span<Tensor> out) {
      // A diagonal beside the matrix is all the same, however far.
      const int64_t diagonal = std::clamp(attrs[2].as_int(), -attrs[0].as_int(), attrs[1].as_int());
      Tensor rows = expand_dims(counted(diagonal, attrs[0].as_int()), {1});
      out[0] = cast(equal(rows, counted(0, attrs[1].as_int())), attrs[3].as_dtype());
    },
    .differentiable = 0,
    .ulp_note = "zeros and ones",
    .samples = {{{}, {3, 3, 0, DType::Float32}}, {{}, {2, 4, 1, DType::Float64}}, {{}, {4, 2, -1, DType::Int64}},
                {{}, {0, 3, 0, DType::Float32}}},
});

}  // namespace

}  // namespace flambeau::ops
