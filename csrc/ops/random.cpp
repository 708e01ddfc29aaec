// random.cpp: numbers from the counter-based generator Philox4x32-10. csrc/backends/reference/random.cpp says which
// words each element takes; `offset` counts blocks of four words, so that a generator adds the blocks it used.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kShape{.name = "shape", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kSeed{.name = "seed", .kind = FL_ATTR_INT, .required = true};
const AttrSpec kOffset{.name = "offset", .kind = FL_ATTR_INT, .fallback = 0};
const AttrSpec kDType{.name = "dtype", .kind = FL_ATTR_DTYPE, .required = true};

void require_shape(const OpRow& row, const Dims& shape) {
  for (int64_t size : shape) {
    if (size < 0) raise(ErrorKind::Shape, row.name, ": shape is ", shape, ": sizes are at least 0");
  }
  count_of(shape);
}

void infer_real(const OpRow& row, Inputs, Attrs attrs, std::span<Meta> out) {
  require_shape(row, attrs[0].ints());
  DType dtype = attrs[3].as_dtype();
  if (dtype != DType::Float32 && dtype != DType::Float64) {
    raise(ErrorKind::DType, row.name, ": dtype is ", dtype, ": numbers are drawn as float32 or float64; cast them");
  }
  out[0] = {attrs[0].ints(), dtype};
}

std::vector<Sample> real_samples() {
  std::vector<Sample> samples;
  for (DType dtype : {DType::Float32, DType::Float64}) {
    for (const Dims& shape : {Dims{}, Dims{0, 3}, Dims{7}, Dims{3, 5}, Dims{1037}}) {
      samples.push_back({{}, {shape, 2026, 5, dtype}});
    }
    samples.push_back({{}, {Dims{9}, int64_t{-1}, int64_t{0xfffffffe}, dtype}});
  }
  return samples;
}

[[maybe_unused]] const OpRow& kUniform = register_op({
    .name = "uniform",
    .summary = "Numbers spread evenly over [0, 1).",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {kShape, kSeed, kOffset, kDType},
    .public_name = false,
    .infer = infer_real,
    .differentiable = 0,
    .ulp_note = "random bits times a power of two",
    .samples = real_samples(),
});

[[maybe_unused]] const OpRow& kNormal = register_op({
    .name = "normal",
    .summary = "Numbers from the standard normal distribution.",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {kShape, kSeed, kOffset, kDType},
    .public_name = false,
    .infer = infer_real,
    .differentiable = 0,
    .ulp = ulps(0, 2, 2),
    .ulp_note = "the promise of the framework: the same normals within 2 on every device",
    .samples = real_samples(),
});

[[maybe_unused]] const OpRow& kRandint = register_op({
    .name = "randint",
    .summary = "Whole numbers spread evenly over [low, high).",
    .min_inputs = 0,
    .max_inputs = 0,
    .input_names = {},
    .attrs = {kShape,
              {.name = "low", .kind = FL_ATTR_INT, .fallback = 0},
              {.name = "high", .kind = FL_ATTR_INT, .required = true},
              kSeed,
              kOffset,
              kDType},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs, Attrs attrs, std::span<Meta> out) {
      require_shape(row, attrs[0].ints());
      int64_t low = attrs[1].as_int();
      int64_t high = attrs[2].as_int();
      DType dtype = attrs[5].as_dtype();
      if (dtype != DType::Int32 && dtype != DType::Int64) {
        raise(ErrorKind::DType, row.name, ": dtype is ", dtype, 
              ": whole numbers are drawn as int32 or int64; cast them");
      }
      if (low >= high) raise(ErrorKind::Value, row.name, ": low is ", low, ", high is ", high, ": high must be larger");
      if (dtype == DType::Int32 && (low < INT32_MIN || high > int64_t{INT32_MAX} + 1)) {
        raise(ErrorKind::Value, row.name, ": from ", low, " to ", high, " does not fit int32: ask for int64");
      }
      out[0] = {attrs[0].ints(), dtype};
    },
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = {{{}, {Dims{}, 0, 10, 2026, 5, DType::Int64}},
                {{}, {Dims{0}, 0, 10, 2026, 5, DType::Int64}},
                {{}, {Dims{1037}, -3, 4, 2026, 5, DType::Int32}},
                {{}, {Dims{33}, INT64_MIN, INT64_MAX, -1, 5, DType::Int64}},
                {{}, {Dims{33}, int64_t{INT32_MIN}, int64_t{INT32_MAX} + 1, -1, 5, DType::Int32}}},
});

}  // namespace

}  // namespace flambeau::ops
