// fft.cpp: discrete Fourier transforms along an axis.
//
// A size is split into its prime factors (4 before 2) and transformed in as many passes, each of which leaves its result
// in order (Stockham), so nothing is permuted. A size with a large prime factor becomes a convolution with a chirp,
// computed by transforms of a power of two (Bluestein). Roots of unity are computed in double and kept with the size.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;
constexpr int64_t kLargestFactor = 31;  // beyond it the convolution is faster than a pass
constexpr double kTwoPi = 6.283185307179586476925286766559;

template <class R>
struct Pair {  // a complex number whose product has no case for infinities
  R re, im;
  Pair operator+(Pair o) const { return {re + o.re, im + o.im}; }
  Pair operator-(Pair o) const { return {re - o.re, im - o.im}; }
  Pair operator*(Pair o) const { return {re * o.re - im * o.im, re * o.im + im * o.re}; }
  Pair operator*(R s) const { return {re * s, im * s}; }
  Pair turned() const { return {im, -re}; }  // times -i
};

template <class R>
Pair<R> root(int64_t j, int64_t n) {  // exp(-2 pi i j / n)
  const double angle = kTwoPi * double(j) / double(n);
  return {R(std::cos(angle)), R(-std::sin(angle))};
}

// How one size is transformed, without a sign: exp(-2 pi i j k / n).
template <class R>
class Plan {
 public:
  using C = Pair<R>;

  explicit Plan(int64_t n) : n_(n) {
    int64_t rest = n;
    for (int64_t factor : {4, 2, 3, 5, 7}) {
      while (rest % factor == 0) {
        factors_.push_back(factor);
        rest /= factor;
      }
    }
    for (int64_t factor = 11; rest > 1; factor += 2) {
      if (factor > kLargestFactor) {
        prepare_chirp();
        return;
      }
      while (rest % factor == 0) {
        factors_.push_back(factor);
        rest /= factor;
      }
    }
    roots_.resize(size_t(n));
    for (int64_t j = 0; j < n; ++j) roots_[size_t(j)] = root<R>(j, n);
  }

  // Elements of memory that `run` needs beside the line.
  int64_t room() const { return convolution_ ? 3 * convolution_->n_ : n_; }

  // Transforms the line; gives where the result lies (in the line or in the room).
  C* run(C* x, C* room) const {
    if (convolution_) return convolve(x, room);
    C* y = room;
    int64_t n = n_, stride = 1;
    for (int64_t factor : factors_) {
      pass(x, y, n, stride, factor);
      std::swap(x, y);
      n /= factor;
      stride *= factor;
    }
    return x;
  }

 private:
  // y[r + stride (p q + k)] = w(q k) sum over j of x[r + stride (q + m j)] exp(-2 pi i j k / p), w(t) = exp(-2 pi i t / n).
  void pass(const C* x, C* y, int64_t n, int64_t stride, int64_t p) const {
    const int64_t m = n / p, step = stride * m;
    for (int64_t q = 0; q < m; ++q) {
      const C* from = x + stride * q;
      C* to = y + stride * p * q;
      if (p == 2) {
        const C w1 = roots_[size_t(q * stride)];
        for (int64_t r = 0; r < stride; ++r) {
          const C a = from[r], b = from[r + step];
          to[r] = a + b;
          to[r + stride] = (a - b) * w1;
        }
      } else if (p == 4) {
        const C w1 = roots_[size_t(q * stride)], w2 = roots_[size_t(2 * q * stride)], w3 = roots_[size_t(3 * q * stride)];
        for (int64_t r = 0; r < stride; ++r) {
          const C a = from[r], b = from[r + step], c = from[r + 2 * step], d = from[r + 3 * step];
          const C even = a + c, odd = a - c, sum = b + d, turn = (b - d).turned();
          to[r] = even + sum;
          to[r + stride] = (odd + turn) * w1;
          to[r + 2 * stride] = (even - sum) * w2;
          to[r + 3 * stride] = (odd - turn) * w3;
        }
      } else {
        // The p roots of unity stand among the n_ ones.
        const int64_t gap = n_ / p;
        for (int64_t r = 0; r < stride; ++r) {
          for (int64_t k = 0; k < p; ++k) {
            C sum = from[r];
            for (int64_t j = 1; j < p; ++j) sum = sum + from[r + j * step] * roots_[size_t(j * k % p * gap)];
            to[r + k * stride] = sum * roots_[size_t(q * k * stride)];
          }
        }
      }
    }
  }

  void prepare_chirp() {
    factors_.clear();
    int64_t size = 1;
    while (size < 2 * n_ - 1) size *= 2;
    convolution_ = std::make_unique<Plan>(size);
    chirp_.resize(size_t(n_));
    std::vector<C> line(size_t(size), C{0, 0}), room(static_cast<size_t>(size));
    for (int64_t k = 0; k < n_; ++k) {
      const int64_t turn = int64_t(static_cast<unsigned __int128>(k) * static_cast<unsigned __int128>(k) % static_cast<unsigned __int128>(2 * n_));
      chirp_[size_t(k)] = root<R>(turn, 2 * n_);  // exp(-pi i k^2 / n)
      const C other{chirp_[size_t(k)].re, -chirp_[size_t(k)].im};
      line[size_t(k)] = other;
      if (k) line[size_t(size - k)] = other;
    }
    const C* spectrum = convolution_->run(line.data(), room.data());
    spectrum_.assign(spectrum, spectrum + size);
  }

  C* convolve(C* x, C* room) const {
    const int64_t size = convolution_->n_;
    C* line = room;
    for (int64_t k = 0; k < n_; ++k) line[k] = x[k] * chirp_[size_t(k)];
    std::fill(line + n_, line + size, C{0, 0});
    C* there = convolution_->run(line, room + size);
    // The way back is a transform of the conjugate.
    for (int64_t k = 0; k < size; ++k) {
      const C product = there[k] * spectrum_[size_t(k)];
      there[k] = {product.re, -product.im};
    }
    C* back = convolution_->run(there, there == line ? room + size : line);
    const R scale = R(1.0 / double(size));
    for (int64_t k = 0; k < n_; ++k) x[k] = C{back[k].re * scale, -back[k].im * scale} * chirp_[size_t(k)];
    return x;
  }

  int64_t n_;
  std::vector<int64_t> factors_;
  std::vector<C> roots_;
  std::unique_ptr<Plan> convolution_;
  std::vector<C> chirp_, spectrum_;
};

// The plans of the sizes seen last.
template <class R>
std::shared_ptr<const Plan<R>> plan_for(int64_t n) {
  static std::mutex lock;
  static std::map<int64_t, std::shared_ptr<const Plan<R>>> plans;
  constexpr size_t kKept = 32;
  const std::lock_guard guard(lock);
  auto& plan = plans[n];
  if (!plan) {
    plan = std::make_shared<const Plan<R>>(n);
    if (plans.size() > kKept) {
      const auto keep = plan;
      plans.clear();
      plans[n] = keep;
      return keep;
    }
  }
  return plan;
}

enum class Kind { Complex, RealToHalf, HalfToReal };
struct Transform {
  Kind kind;
  Type real;
};

// Offsets of lines: every axis but one.
struct Lines {
  int64_t count = 1, step;
  int ndim = 0;
  int64_t shape[kMaxDims], strides[kMaxDims];
  Lines(const fl_tensor& x, int axis) : step(x.strides[axis]) {
    for (int d = 0; d < x.ndim; ++d) {
      if (d == axis) continue;
      shape[ndim] = x.shape[d];
      strides[ndim++] = x.strides[d];
      count *= x.shape[d];
    }
  }
  int64_t offset(int64_t line) const {
    int64_t at = 0;
    for (int d = ndim - 1; d >= 0; --d) {
      at += line % shape[d] * strides[d];
      line /= shape[d];
    }
    return at;
  }
};

template <class R>
void transform(Kind kind, const fl_call* call) {
  using C = Pair<R>;
  const bool back = kind == Kind::HalfToReal;
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int axis = int(call->attrs[0].value.i);
  const bool inverse = call->attrs[back ? 2 : 1].value.i != 0;
  const R scale = R(call->attrs[back ? 3 : 2].value.f);
  const int64_t given = x.shape[axis], n = back ? call->attrs[1].value.i : given, wanted = out.shape[axis];
  const auto plan = plan_for<R>(n);
  const Lines from(x, axis), to(out, axis);
  const R sign = inverse ? R(-1) : R(1);  // with plus in the exponent: the conjugate's transform, conjugated
  parallel_for(from.count, std::max<int64_t>(1, kGrain / (8 * n)), [&](int64_t begin, int64_t end) {
    std::vector<C> line(static_cast<size_t>(n)), room(size_t(plan->room()));
    for (int64_t i = begin; i < end; ++i) {
      if (kind == Kind::RealToHalf) {
        const R* source = reinterpret_cast<const R*>(data_of(x)) + from.offset(i);
        for (int64_t j = 0; j < given; ++j) line[size_t(j)] = {source[j * from.step], 0};
      } else {
        const C* source = reinterpret_cast<const C*>(data_of(x)) + from.offset(i);
        for (int64_t j = 0; j < given; ++j) line[size_t(j)] = {source[j * from.step].re, sign * source[j * from.step].im};
        for (int64_t j = given; j < n; ++j) line[size_t(j)] = {line[size_t(n - j)].re, -line[size_t(n - j)].im};
        if (back) line[0].im = 0;
        if (back && n % 2 == 0) line[size_t(n / 2)].im = 0;
      }
      const C* result = plan->run(line.data(), room.data());
      if (back) {
        R* target = reinterpret_cast<R*>(data_of(out)) + to.offset(i);
        for (int64_t k = 0; k < wanted; ++k) target[k * to.step] = result[k].re * scale;
      } else {
        C* target = reinterpret_cast<C*>(data_of(out)) + to.offset(i);
        for (int64_t k = 0; k < wanted; ++k) target[k * to.step] = {result[k].re * scale, sign * result[k].im * scale};
      }
    }
  });
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Transform& op = state_of<Transform>(self);
  if (count_of(call->outputs[0]) == 0) return FL_OK;
  if (op.real == Type::Float32) transform<float>(op.kind, call);
  else transform<double>(op.kind, call);
  return FL_OK;
}

const Registration kTransforms({"fft", "rfft", "irfft"}, [](const char* name, std::span<const Type> types) -> const fl_kernel* {
  if (types.size() != 2) return nullptr;
  const Kind kind = std::strcmp(name, "fft") == 0 ? Kind::Complex : std::strcmp(name, "rfft") == 0 ? Kind::RealToHalf : Kind::HalfToReal;
  const Type pair = kind == Kind::RealToHalf ? types[1] : types[0], other = kind == Kind::RealToHalf ? types[0] : types[1];
  if (!is_complex(pair) || other != (kind == Kind::Complex ? pair : real_of(pair))) return nullptr;
  return keep_kernel(run, Transform{kind, real_of(pair)});
});

}  // namespace
}  // namespace flambeau::cpu
