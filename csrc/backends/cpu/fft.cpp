// fft.cpp: discrete Fourier transforms along an axis.
//
// A size is split into factors and transformed in as many passes, each of which leaves its result in order (Stockham), so
// nothing is permuted. A vector's lanes are as many lines; a single long line is taken apart into the columns and then the
// rows of a table (Bailey's four steps), which are lines again. A size with a large prime factor becomes a convolution
// with a chirp, computed by transforms of a power of two (Bluestein). Roots of unity are computed in double and kept
// with the size.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "dense.h"
#include "simd/fft.h"

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
    for (int64_t factor : {8, 4, 2, 3, 5, 7}) {
      while (rest % factor == 0) {
        if (factor == 8 && rest % 16 == 0 && rest % 32 != 0) break;  // 4 by 4 beats 8 by 2
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

  // Whether passes transform this size: it has no large prime factor.
  static bool splits(int64_t n) {
    for (int64_t factor = 2; factor <= kLargestFactor; ++factor)
      while (n % factor == 0) n /= factor;
    return n == 1;
  }
  int64_t size() const { return n_; }
  int64_t bytes() const {
    return int64_t(sizeof(*this) + (roots_.size() + chirp_.size() + spectrum_.size()) * sizeof(C)) +
           (convolution_ ? convolution_->bytes() : 0);
  }
  // Elements of memory that `run` needs beside the line.
  int64_t room() const { return convolution_ ? 3 * convolution_->n_ : n_; }

  C* lanes(const FftLoops& loops, void* x, void* room) const {
    return static_cast<C*>(loops.run(n_, factors_.data(), int(factors_.size()), roots_.data(), x, room));
  }

  // Transforms the line; gives where the result lies (in the line or in the room).
  C* run(C* x, C* room) const {
    if (convolution_) return convolve(x, room);
    C* y = room;
    int64_t n = n_, stride = 1;
    const auto by = [&](int64_t factor) {
      pass(x, y, n, stride, factor);
      std::swap(x, y);
      n /= factor;
      stride *= factor;
    };
    for (int64_t factor : factors_) {
      if (factor == 8) by(4);
      by(factor == 8 ? 2 : factor);
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

// The plans used last, of all kinds and sizes together. Roots are as large as the line: they are weighed, not counted.
class Kept {
 public:
  using Key = std::pair<const void*, int64_t>;  // which kind, of which size
  std::shared_ptr<const void> find(const Key& key) {
    const std::lock_guard guard(lock_);
    const auto at = plans_.find(key);
    if (at == plans_.end()) return nullptr;
    at->second.used = ++clock_;
    return at->second.plan;
  }
  void keep(const Key& key, const std::shared_ptr<const void>& plan, int64_t bytes) {
    if (bytes > kBytes) return;
    const std::lock_guard guard(lock_);
    if (!plans_.try_emplace(key, Entry{plan, bytes, ++clock_}).second) return;  // another thread made it meanwhile
    for (bytes_ += bytes; bytes_ > kBytes || plans_.size() > kCount;) {
      const auto oldest = std::min_element(plans_.begin(), plans_.end(),
                                           [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      bytes_ -= oldest->second.bytes;
      plans_.erase(oldest);
    }
  }
  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

 private:
  static constexpr int64_t kBytes = int64_t(64) << 20;
  static constexpr size_t kCount = 128;
  struct Entry {
    std::shared_ptr<const void> plan;
    int64_t bytes;
    uint64_t used;
  };
  std::mutex lock_;
  std::map<Key, Entry> plans_;
  int64_t bytes_ = 0;
  uint64_t clock_ = 0;
};

Kept& all_kept() {
  static Kept kept;
  [[maybe_unused]] static const int guarded =  // a child must not find it held by a thread of its parent
      pthread_atfork([] { all_kept().lock(); }, [] { all_kept().unlock(); }, [] { all_kept().unlock(); });
  return kept;
}

template <class Made>
std::shared_ptr<const Made> kept_for(int64_t n) {
  Kept& kept = all_kept();
  static const char kind = 0;  // its address tells kinds apart
  const Kept::Key key{&kind, n};
  if (auto found = std::static_pointer_cast<const Made>(kept.find(key))) return found;
  auto made = std::make_shared<const Made>(n);
  kept.keep(key, made, made->bytes());
  return made;
}

// exp(-2 pi i k / n) for k up to n / 2.
template <class R>
struct HalfRoots {
  std::vector<Pair<R>> roots;
  explicit HalfRoots(int64_t n) {
    for (int64_t k = 0; 2 * k < n; ++k) roots.push_back(root<R>(k, n));
    roots.push_back({R(-1), R(0)});
  }
  int64_t bytes() const { return int64_t(sizeof(*this) + roots.size() * sizeof(Pair<R>)); }
};

// ---- four steps --------------------------------------------------------------------------------------------------

template <class R>
constexpr Type kTypeOf = sizeof(R) == 4 ? Type::Float32 : Type::Float64;

// One line of n = rows x columns elements, x[j1 columns + j2]: transforms of the columns, times exp(-2 pi i j2 k1 / n),
// transforms of the rows; element k1 of column transform and k2 of row transform make X[k2 rows + k1].
template <class R>
class FourSteps {
 public:
  using C = Pair<R>;

  explicit FourSteps(int64_t n) : loops_(*level->fft(kTypeOf<R>)), n_(n), rows_(rows_of(n)), columns_(n / rows_) {
    by_columns_ = kept_for<Plan<R>>(rows_);
    by_rows_ = kept_for<Plan<R>>(columns_);
    const int64_t lanes = loops_.lanes, blocks = divide_up(columns_, lanes);
    twiddles_.resize(size_t(blocks * rows_ * 2 * lanes));
    parallel_for(blocks, std::max<int64_t>(1, 1024 / (rows_ * lanes)), [&](int64_t begin, int64_t end) {
      R* to = twiddles_.data() + begin * rows_ * 2 * lanes;
      for (int64_t block = begin; block < end; ++block)
        for (int64_t k = 0; k < rows_; ++k, to += 2 * lanes)
          for (int64_t l = 0; l < lanes; ++l) {
            const C w = root<R>((block * lanes + l) % columns_ * k % n_, n_);
            to[l] = w.re;
            to[lanes + l] = w.im;
          }
    });
  }
  // The divisor of n next to its root from below; 1 if there is none that makes lines worth a vector.
  static int64_t rows_of(int64_t n) {
    int64_t best = 1;
    for (int64_t r = 2; r * r <= n; ++r)
      if (n % r == 0) best = r;
    return best;
  }
  int64_t bytes() const { return int64_t(sizeof(*this) + twiddles_.size() * sizeof(R)) + by_columns_->bytes() + by_rows_->bytes(); }
  // Elements of memory: for the table between the steps, and for each thread at a time.
  int64_t table() const { return divide_up(rows_, loops_.lanes) * loops_.lanes * columns_; }
  int64_t room() const { return 2 * std::max(rows_, columns_) * loops_.lanes; }

  // From and to contiguous lines, which may be the same. `each` runs body(first, last) over pieces of [0, count), `room_of`
  // gives the memory of the thread.
  template <class Each, class RoomOf>
  bool run(const C* x, C* out, C* table, double sign_in, double sign_out, double scale, const Each& each, const RoomOf& room_of) const {
    std::atomic<bool> fine{true};
    const int64_t lanes = loops_.lanes, groups = divide_up(rows_, lanes);
    each(divide_up(columns_, lanes), [&](int64_t begin, int64_t end) {
      C* room = room_of();
      if (!room) fine = false;
      for (int64_t block = begin; room && block < end; ++block) {
        const int64_t first = block * lanes, width = std::min(lanes, columns_ - first);
        C* line = room;
        loops_.split(x + first, columns_, int(width), rows_, line, sign_in);
        line = by_columns_->lanes(loops_, line, room + rows_ * lanes);
        loops_.multiply(line, twiddles_.data() + block * rows_ * 2 * lanes, rows_);
        // Parts of k1 and j2 change places: group by group of k1, element j2 of all of it together.
        for (int64_t g = 0; g < groups; ++g) {
          const R* from = reinterpret_cast<const R*>(line + g * lanes * lanes);
          R* to = reinterpret_cast<R*>(table + (g * columns_ + first) * lanes);
          const int64_t height = std::min(lanes, rows_ - g * lanes);
          for (int64_t part = 0; part < 2; ++part)
            level->transpose(from + part * lanes, 2 * lanes, to + part * lanes, 2 * lanes, height, width, sizeof(R));
        }
      }
    });
    each(groups, [&](int64_t begin, int64_t end) {
      C* room = room_of();
      if (!room) fine = false;
      for (int64_t g = begin; room && g < end; ++g) {
        const C* result = by_rows_->lanes(loops_, table + g * columns_ * lanes, room);
        loops_.merge(result, columns_, out + g * lanes, rows_, int(std::min(lanes, rows_ - g * lanes)), scale,
                     sign_out);
      }
    });
    return fine;
  }

 private:
  const FftLoops& loops_;
  int64_t n_, rows_, columns_;
  std::shared_ptr<const Plan<R>> by_columns_, by_rows_;
  std::vector<R> twiddles_;
};

enum class Kind { Complex, RealToHalf, HalfToReal };
struct Transform {
  Kind kind;
  Type real;
};

template <class R>
struct Job {
  using C = Pair<R>;
  Kind kind;
  const fl_tensor &x, &out;
  int64_t given, n, wanted;  // elements of a line: of x, of the transform, of the output
  R scale, sign;             // with plus in the exponent: the conjugate's transform, conjugated
  AxisLines from, to;

  Job(Kind kind, const fl_call* call)
      : kind(kind), x(call->inputs[0]), out(call->outputs[0]), from(x, axis_of(call)), to(out, axis_of(call)) {
    const int axis = axis_of(call);
    const bool back = kind == Kind::HalfToReal;
    given = x.shape[axis];
    n = back ? call->attrs[1].value.i : given;
    wanted = out.shape[axis];
    sign = call->attrs[back ? 2 : 1].value.i != 0 ? R(-1) : R(1);
    scale = R(call->attrs[back ? 3 : 2].value.f);
  }
  static int axis_of(const fl_call* call) { return int(call->attrs[0].value.i); }

  template <class T>
  const T* source(int64_t line) const {
    return reinterpret_cast<const T*>(data_of(x)) + from.offset(line);
  }
  template <class T>
  T* target(int64_t line) const {
    return reinterpret_cast<T*>(data_of(out)) + to.offset(line);
  }
  // A line of its own, in the sign of the exponent that plans have.
  void read(int64_t i, C* line) const {
    if (kind == Kind::RealToHalf) {
      const R* at = source<R>(i);
      for (int64_t j = 0; j < given; ++j) line[j] = {at[j * from.step], 0};
      return;
    }
    const C* at = source<C>(i);
    for (int64_t j = 0; j < given; ++j) line[j] = {at[j * from.step].re, sign * at[j * from.step].im};
    for (int64_t j = given; j < n; ++j) line[j] = {line[n - j].re, -line[n - j].im};
    if (kind == Kind::HalfToReal) line[0].im = 0;
    if (kind == Kind::HalfToReal && n % 2 == 0) line[n / 2].im = 0;
  }
  void write(int64_t i, const C* result) const {
    if (kind == Kind::HalfToReal) {
      R* at = target<R>(i);
      for (int64_t k = 0; k < wanted; ++k) at[k * to.step] = result[k].re * scale;
    } else {
      C* at = target<C>(i);
      for (int64_t k = 0; k < wanted; ++k) at[k * to.step] = {result[k].re * scale, sign * result[k].im * scale};
    }
  }
};

// One line at a time.
template <class R>
void line_by_line(const Job<R>& job, const Plan<R>& plan) {
  parallel_for(job.from.count, std::max<int64_t>(1, kGrain / (8 * job.n)), [&](int64_t begin, int64_t end) {
    std::vector<Pair<R>> line(static_cast<size_t>(job.n)), room(size_t(plan.room()));
    for (int64_t i = begin; i < end; ++i) {
      job.read(i, line.data());
      job.write(i, plan.run(line.data(), room.data()));
    }
  });
}

template <class R>
bool by_four_steps(const Job<R>& job) {
  using C = Pair<R>;
  const auto steps = kept_for<FourSteps<R>>(job.n);
  const bool reads = job.kind == Kind::Complex && job.from.step == 1, writes = job.kind == Kind::Complex && job.to.step == 1;
  const auto one = [&](int64_t i, C* line, C* table, const auto& each, const auto& room_of) {
    if (!reads) job.read(i, line);
    // `read` and `write` turn the imaginary parts round, and `write` scales.
    const bool ran = steps->run(reads ? job.template source<C>(i) : line, writes ? job.template target<C>(i) : line, table,
                                reads ? job.sign : R(1), writes ? job.sign : R(1), writes ? job.scale : R(1), each, room_of);
    if (!writes) job.write(i, line);
    return ran;
  };
  const int64_t table_size = steps->table();
  if (job.from.count == 1) {
    C* line = static_cast<C*>(host->scratch(size_t(job.n) * sizeof(C)));
    C* table = static_cast<C*>(host->scratch(size_t(table_size) * sizeof(C)));
    if (!line || !table) return false;
    return one(0, line, table, [&](int64_t count, const auto& body) { parallel_for(count, 1, body); },
               [&] { return static_cast<C*>(piece_scratch(size_t(steps->room()) * sizeof(C))); });
  }
  const size_t bytes = size_t(job.n + table_size + steps->room() + 64) * sizeof(C);
  return parallel_with_scratch(job.from.count, 1, bytes, [&](void* memory, int64_t begin, int64_t end) {
    C *line = static_cast<C*>(memory), *table = line + divide_up(job.n, 32) * 32;
    for (int64_t i = begin; i < end; ++i)
      one(i, line, table, [](int64_t count, const auto& body) { body(int64_t(0), count); },
          [&] { return table + table_size; });
  });
}

// Lines of a job side by side in the lanes of a vector, `width` of them from `first` on.
template <class R>
struct Block {
  using C = Pair<R>;
  const Job<R>& job;
  const FftLoops& loops;
  int64_t first, width;

  // Distance of neighbouring lines; 0 where it is not the same everywhere.
  int64_t spacing(const AxisLines& lines) const {
    const int64_t step = width > 1 ? lines.offset(first + 1) - lines.offset(first) : 1;
    for (int64_t l = 2; l < width; ++l)
      if (lines.offset(first + l) - lines.offset(first + l - 1) != step) return 0;
    return step;
  }
  // The given elements of all lines as to[element][lane].
  template <class T>
  void turn_in(T* to) const {
    const int64_t apart = spacing(job.from), step = job.from.step, lanes = loops.lanes;
    if (apart > 0 && step == 1)
      return level->transpose(job.template source<T>(first), apart, to, lanes, width, job.given, sizeof(T));
    for (int64_t l = 0; l < width; ++l)
      for (int64_t j = 0; j < job.given; ++j) to[j * lanes + l] = job.template source<T>(first + l)[j * step];
  }
  // Real lines as complex ones of half the length: neighbours are the parts of a number.
  void read_pairs(C* line, C* table) const {
    const int64_t apart = spacing(job.from), step = job.from.step, lanes = loops.lanes, half = job.n / 2;
    if (step == 1 && apart > 0 && apart % 2 == 0) {
      level->transpose(job.template source<R>(first), apart / 2, table, lanes, width, half, sizeof(C));
    } else {
      for (int64_t l = 0; l < width; ++l) {
        const R* from = job.template source<R>(first + l);
        for (int64_t j = 0; j < half; ++j) table[j * lanes + l] = {from[2 * j * step], from[(2 * j + 1) * step]};
      }
    }
    loops.split(table, lanes, int(width), half, line, 1);
  }
  void read(C* line, C* table) const {
    const int64_t lanes = loops.lanes, n = job.n;
    R* split = reinterpret_cast<R*>(line);
    if (job.kind == Kind::RealToHalf) {
      R* reals = reinterpret_cast<R*>(table);
      std::memset(reals, 0, size_t(n * lanes) * sizeof(R));
      turn_in(reals);
      for (int64_t j = 0; j < n; ++j) {
        std::memcpy(split + j * 2 * lanes, reals + j * lanes, size_t(lanes) * sizeof(R));
        std::memset(split + j * 2 * lanes + lanes, 0, size_t(lanes) * sizeof(R));
      }
      return;
    }
    if (spacing(job.from) == 1) {
      loops.split(job.template source<C>(first), job.from.step, int(width), job.given, split, job.sign);
    } else {
      turn_in(table);
      loops.split(table, lanes, int(width), job.given, split, job.sign);
    }
    for (int64_t j = job.given; j < n; ++j)
      for (int64_t l = 0; l < lanes; ++l) {
        split[j * 2 * lanes + l] = split[(n - j) * 2 * lanes + l];
        split[j * 2 * lanes + lanes + l] = -split[(n - j) * 2 * lanes + lanes + l];
      }
    if (job.kind == Kind::Complex) return;
    std::memset(split + lanes, 0, size_t(lanes) * sizeof(R));
    if (n % 2 == 0) std::memset(split + n * lanes + lanes, 0, size_t(lanes) * sizeof(R));
  }
  void write(const C* result, C* table) const {
    const int64_t lanes = loops.lanes, wanted = job.wanted, apart = spacing(job.to), step = job.to.step;
    if (job.kind == Kind::HalfToReal) {
      const R* reals = reinterpret_cast<const R*>(result);
      for (int64_t l = 0; l < width; ++l) {
        R* to = job.template target<R>(first + l);
        for (int64_t k = 0; k < wanted; ++k) to[k * step] = reals[k * 2 * lanes + l] * job.scale;
      }
      return;
    }
    if (apart == 1 && step != 1)
      return loops.merge(result, wanted, job.template target<C>(first), step, int(width), job.scale, job.sign);
    loops.merge(result, wanted, table, lanes, int(lanes), job.scale, job.sign);
    if (apart > 0 && step == 1)
      return level->transpose(table, lanes, job.template target<C>(first), apart, wanted, width, sizeof(C));
    for (int64_t l = 0; l < width; ++l) {
      C* to = job.template target<C>(first + l);
      for (int64_t k = 0; k < wanted; ++k) to[k * step] = table[k * lanes + l];
    }
  }
};

// As many lines as a vector has lanes at a time; a plan of half their length is for real ones.
template <class R>
bool by_lanes(const Job<R>& job, const Plan<R>& plan) {
  using C = Pair<R>;
  const FftLoops& loops = *level->fft(kTypeOf<R>);
  const int64_t lanes = loops.lanes, count = job.from.count, size = job.n * lanes;
  const int64_t grain = std::max<int64_t>(1, kGrain / (8 * size));
  const auto roots = plan.size() == job.n ? nullptr : kept_for<HalfRoots<R>>(job.n);
  return parallel_with_scratch(divide_up(count, lanes), grain, size_t(3 * size) * sizeof(C), [&](void* memory, int64_t begin, int64_t end) {
    C *line = static_cast<C*>(memory), *room = line + size, *table = room + size;
    for (int64_t i = begin; i < end; ++i) {
      const Block<R> block{job, loops, i * lanes, std::min(lanes, count - i * lanes)};
      if (!roots) {
        block.read(line, table);
        block.write(plan.lanes(loops, line, room), table);
        continue;
      }
      block.read_pairs(line, table);
      const C* result = plan.lanes(loops, line, room);
      C* other = result == line ? room : line;
      loops.unfold(result, plan.size(), roots->roots.data(), other);
      block.write(other, table);
    }
  });
}

// Which way depends on the sizes alone.
template <class R>
bool transform(Kind kind, const fl_call* call) {
  const Job<R> job(kind, call);
  constexpr int64_t kShortLine = 64, kLongLine = 16 * 1024;  // elements
  const bool alone = !Plan<R>::splits(job.n) || (job.n < kShortLine && job.from.count == 1);
  const bool few = job.from.count < level->fft(kTypeOf<R>)->lanes / 2;
  if (!alone && (job.n >= kLongLine || (few && job.n >= kShortLine)) && FourSteps<R>::rows_of(job.n) >= 4) return by_four_steps(job);
  const bool halves = !alone && kind == Kind::RealToHalf && job.n % 2 == 0 && job.n >= 8;
  const auto plan = kept_for<Plan<R>>(halves ? job.n / 2 : job.n);  // roots of all of the line, which the four steps do without
  if (!alone) return by_lanes(job, *plan);
  line_by_line(job, *plan);
  return true;
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Transform& op = state_of<Transform>(self);
  if (count_of(call->outputs[0]) == 0) return FL_OK;
  const bool done = op.real == Type::Float32 ? transform<float>(op.kind, call) : transform<double>(op.kind, call);
  return done ? FL_OK : no_memory("fft");
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
