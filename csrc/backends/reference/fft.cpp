// fft.cpp: discrete Fourier transforms as their definition says: n products for each of n sums, in double.
#include <cmath>
#include <string_view>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;

int64_t step_of(const fl_tensor& tensor, int32_t axis) {
  return tensor.strides[axis] * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
}

// fft and rfft(x; axis, inverse, scale); irfft(x; axis, n, inverse, scale).
fl_status run_fft(const Loop& loop, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& out = call.outputs[0];
  bool half = std::string_view(loop.name) == "irfft";
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  bool inverse = attr_bool(call, half ? 2 : 1);
  double scale = attr_float(call, half ? 3 : 2);
  Type type = type_of(x.dtype), out_type = type_of(out.dtype);
  int64_t given = x.shape[axis], n = half ? attr_int(call, 1) : given, wanted = out.shape[axis];
  if (element_count(out) == 0) return FL_OK;
  std::vector<Complex> roots, line(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    double angle = kTwoPi * static_cast<double>(j) / static_cast<double>(n);
    roots.emplace_back(std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle));
  }
  View lines(x), results(out);
  lines.fix(axis, 0);
  results.fix(axis, 0);
  for (Walk walk(x.ndim, lines.get()->shape, {lines.get(), results.get()}); !walk.done(); walk.next()) {
    for (int64_t j = 0; j < given; ++j) line[static_cast<size_t>(j)] = load_complex(type, walk.at(0) + j * step_of(x, axis));
    for (int64_t j = given; j < n; ++j) line[static_cast<size_t>(j)] = std::conj(line[static_cast<size_t>(n - j)]);
    if (half) line[0] = line[0].real();
    if (half && n % 2 == 0) line[static_cast<size_t>(n / 2)] = line[static_cast<size_t>(n / 2)].real();
    for (int64_t k = 0; k < wanted; ++k) {
      Complex sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += line[static_cast<size_t>(j)] * roots[static_cast<size_t>(j * k % n)];
      char* to = walk.at(1) + k * step_of(out, axis);
      if (half) store_float(out_type, to, scale * sum.real());
      else store_complex(out_type, to, scale * sum);
    }
  }
  return FL_OK;
}

}  // namespace

void add_fft(Loops& loops) {
  auto fits = [](const Loop& loop, const Type* t, int32_t n) {
    std::string_view name = loop.name;
    if (n != 2) return false;
    if (name == "fft") return is_complex(t[0]) && t[0] == t[1];
    Type real = name == "rfft" ? t[0] : t[1], pair = name == "rfft" ? t[1] : t[0];
    return is_complex(pair) && real == real_of(pair);
  };
  for (const char* name : {"fft", "rfft", "irfft"}) loops.push_back({name, fits, run_fft});
}

}  // namespace flambeau::reference
