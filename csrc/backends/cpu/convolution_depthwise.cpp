// convolution_depthwise.cpp: convolutions whose groups have one input channel. There is nothing to sum over channels, so a
// plane is copied with its zeros into scratch that stays in the first cache, by the stride's phases along a row, and its
// outputs are computed from there, several rows at once so that a row is read for all of them. The gradient for the input
// is the same with the kernel turned round, one for each phase of the stride; that for the weight keeps its sums in
// registers and adds planes of one channel up in order. Threads share out planes, or channels: sizes alone decide.
#include "convolution.h"

#include <cstring>

namespace flambeau::cpu {
namespace {

constexpr int64_t kPlane = 128 * kBlock;  // elements of the largest copied plane
constexpr int64_t kPiece = 32 * kBlock;   // elements of the planes of a task
constexpr int64_t kHeld = 512;            // vectors added up in the type of computation
constexpr int64_t kRoom = 16;             // elements of the longest vector
constexpr int64_t kTaps = 64;             // of the largest kernel

template <class T>
const DepthwiseLoops& loops_of() {
  return *level->depthwise(type_as<T>());
}

int64_t whole_vectors(int64_t n) { return divide_up(n, kRoom) * kRoom; }

// A copied plane: `rows` rows of `phases` phases of `columns` elements; element (h, w) of the source is in row h + above,
// and at w + before of a row.
struct Copied {
  int64_t rows, columns, phases, above, before;
  int64_t pitch() const { return phases * columns; }
  int64_t elements() const { return rows * pitch() + kRoom; }
  int64_t column(int64_t at) const { return at % phases * columns + at / phases; }
};
Copied copied_input(const Geometry& g) {
  Copied c;
  c.rows = (g.y[1] - 1) * g.stride[1] + (g.kernel[1] - 1) * g.dilation[1] + 1;
  c.phases = g.stride[2];
  c.columns = whole_vectors(g.y[2]) + divide_up((g.kernel[2] - 1) * g.dilation[2] + 1, c.phases);
  c.above = g.before[1];
  c.before = g.before[2];
  return c;
}
// The zeros around are there already. `used`: elements of a row, with the zeros before them, that someone reads.
template <class T>
void copy_plane(const Copied& c, int64_t used, const T* from, int64_t height, int64_t width, T* to) {
  const int64_t n = std::min(width, used - c.before), rows = std::min(height, c.rows - c.above);
  T* first = to + c.above * c.pitch();
  const DepthwiseLoops& loops = loops_of<T>();
  if (c.phases == 1) loops.rows_in(from, width, n, rows, first + c.before, c.pitch());
  else loops.rows_split(from, width, n, rows, first + c.column(c.before), first + c.column(c.before + 1), c.pitch());
}

bool is_flat(const Geometry& g) {
  return g.in == g.groups && g.out > 0 && g.in > 0 && g.x[0] == 1 && g.y[0] == 1 && g.kernel[0] == 1 && g.stride[0] == 1 &&
         g.before[0] == 0 && product(g.kernel) <= kTaps && g.stride[2] <= 2;
}
// In double: sizes and steps may be any numbers.
bool is_small(const Geometry& g) {
  double rows = 1;
  for (size_t axis = 1; axis < 3; ++axis)
    rows *= double(g.y[axis]) * double(g.stride[axis]) + double(g.kernel[axis]) * double(g.dilation[axis]) + double(g.before[axis]) + kRoom;
  return rows <= double(kPlane);
}
// A kernel that the level has loops for.
bool is_known(const Geometry& g) {
  return g.kernel[1] == g.kernel[2] && (g.kernel[1] == 3 || g.kernel[1] == 5 || g.kernel[1] == 7) && g.dilation[1] == 1 &&
         g.stride[1] <= 2;
}

// Kernels that the level convolves where a plane lies, and planes of which that is faster than copying them.
bool is_direct(const Geometry& g, const DepthwiseLoops& loops) {
  return loops.direct && is_known(g) && g.stride[1] == g.stride[2] && g.dilation[2] == 1;
}
bool is_short(const Geometry& g, const DepthwiseLoops& loops) { return g.stride[2] == 2 || g.x[2] <= 2 * loops.lanes; }
DirectPlane direct_plane(const Geometry& g) {
  return {g.x[1], g.x[2], g.y[1], g.y[2], g.before[1], g.before[2], int(g.kernel[1]), int(g.stride[1])};
}

DepthwisePlane plane_of(const Geometry& g, const Copied& copied) {
  DepthwisePlane plane{g.y[1], g.y[2], copied.pitch(), int(g.kernel[1]), int(g.stride[1]), {}};
  for (int64_t k = 0; k < g.kernel[2]; ++k) plane.columns[k] = copied.column(k * g.dilation[2]);
  return plane;
}

// Positions residue, residue + stride, ... of the input along an axis, and the kernel elements that reach them: they read g
// at the position's number + offset.
struct Phase {
  int64_t count;
  std::vector<Tap> taps;
};
std::vector<Phase> phases_of(const Geometry& g, size_t axis) {
  std::vector<Phase> phases;
  for (int64_t residue = 0; residue < g.stride[axis]; ++residue) {
    Phase phase{g.x[axis] > residue ? divide_up(g.x[axis] - residue, g.stride[axis]) : 0, {}};
    for (int64_t k = 0; k < g.kernel[axis]; ++k) {
      const int64_t at = residue + g.before[axis] - k * g.dilation[axis];
      if (at % g.stride[axis] == 0) phase.taps.push_back({k, at / g.stride[axis]});
    }
    phases.push_back(std::move(phase));
  }
  return phases;
}

}  // namespace

// One channel alone is computed line by line, several outputs at once.
bool depthwise_fits(const Geometry& g) { return g.groups > 1 && is_flat(g) && is_small(g); }
bool depthwise_grad_fits(const Geometry& g) { return is_flat(g) && is_small(g) && g.out == g.in && product(g.x) <= kPlane; }
bool depthwise_weight_grad_fits(const Geometry& g) { return is_flat(g) && is_small(g) && is_known(g); }

int64_t planes_of_task(const Geometry& g) { return std::max<int64_t>(1, kPiece / (product(g.x) + product(g.y))); }

// compute(first plane, count) for all planes of `channels` channels; those of a call are of one image.
template <class Compute>
void for_each_plane(const Geometry& g, int64_t channels, const Compute& compute) {
  parallel_for(g.batch * channels, planes_of_task(g), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin, count; p < end; p += count) {
      count = std::min(end - p, channels - p % channels);
      compute(p, count);
    }
  });
}

template <class T>
bool depthwise(const Geometry& g, const T* x, const T* weight, const T* bias, T* out) {
  const DepthwiseLoops& depthwise = loops_of<T>();
  const int64_t in = product(g.x), size = product(g.y), kernel = product(g.kernel), multiple = g.out_group();
  if (is_direct(g, depthwise) && is_short(g, depthwise)) {
    const DirectPlane plane = direct_plane(g);
    for_each_plane(g, g.out, [&](int64_t p, int64_t count) {
      for (int64_t i = 0; i < count; i += multiple == 1 ? count : 1) {
        const int64_t o = (p + i) % g.out;
        depthwise.direct->planes(plane, multiple == 1 ? count : 1, weight + o * kernel, bias ? bias + o : nullptr,
                                 x + (p + i) / multiple * in, out + (p + i) * size);
      }
    });
    return true;
  }
  const Copied copied = copied_input(g);
  const int64_t used = (g.y[2] - 1) * g.stride[2] + (g.kernel[2] - 1) * g.dilation[2] + 1;
  const bool known = is_known(g);
  DepthwisePlane plane;
  std::vector<int64_t> offsets;
  if (known) plane = plane_of(g, copied);
  for (int64_t h = 0; h < g.kernel[1]; ++h)
    for (int64_t w = 0; w < g.kernel[2]; ++w)
      offsets.push_back(h * g.dilation[1] * copied.pitch() + copied.column(w * g.dilation[2]));
  const int64_t grain = std::max<int64_t>(1, kPiece / copied.elements()), bytes = copied.elements() * int64_t(sizeof(T));
  return parallel_with_scratch(g.batch * g.in, grain, size_t(bytes), [&](void* scratch, int64_t begin, int64_t end) {
    T* copy = static_cast<T*>(scratch);
    std::memset(copy, 0, size_t(bytes));
    for (int64_t p = begin; p < end; ++p) {
      copy_plane(copied, used, x + p * in, g.x[1], g.x[2], copy);
      for (int64_t o = p % g.in * multiple, i = 0; i < multiple; ++i, ++o) {
        T* to = out + (p * multiple + i) * size;
        const double more = bias ? double(bias[o]) : 0.0;
        if (known) depthwise.plane(plane, weight + o * kernel, more, copy, to);
        else depthwise.taps(g.y[1], g.y[2], g.stride[1] * copied.pitch(), kernel, offsets.data(), weight + o * kernel, more, copy, to, g.y[2]);
      }
    }
  });
}

// Without a stride it is the convolution of g by the kernel turned round. False: no memory.
template <class T>
bool direct_input_grad(const Geometry& g, const DirectLoops& loops, const T* grad, const T* weight, T* out) {
  const int64_t in = product(g.x), size = product(g.y), kernel = product(g.kernel);
  DirectPlane plane = direct_plane(g);
  if (plane.stride == 2) {
    const size_t bytes = size_t(in) * sizeof(T);
    const bool streams = g.batch * g.in * in * int64_t(sizeof(T)) >= kStreamBytes;
    return parallel_with_scratch(g.batch * g.in, planes_of_task(g), streams ? bytes : 0, [&](void* scratch, int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        void* to = streams ? scratch : out + p * in;
        loops.input_grad(plane, weight + p % g.in * kernel, grad + p * size, to);
        if (streams) write_past_caches(out + p * in, scratch, bytes);
      }
    });
  }
  plane = {g.y[1], g.y[2], g.x[1], g.x[2], g.kernel[1] - 1 - g.before[1], g.kernel[2] - 1 - g.before[2], plane.kernel, 1};
  T* turned = static_cast<T*>(host->scratch(size_t(g.in * kernel) * sizeof(T)));
  if (!turned) return false;
  for (int64_t c = 0; c < g.in; ++c) std::reverse_copy(weight + c * kernel, weight + (c + 1) * kernel, turned + c * kernel);
  for_each_plane(g, g.in, [&](int64_t p, int64_t count) {
    loops.planes(plane, count, turned + p % g.in * kernel, nullptr, grad + p * size, out + p * in);
  });
  return true;
}

template <class T>
bool depthwise_input_grad(const Geometry& g, const T* grad, const T* weight, T* out) {
  const DepthwiseLoops& depthwise = loops_of<T>();
  if (is_direct(g, depthwise) && (g.stride[1] == 1 ? is_short(g, depthwise) : g.kernel[1] == 3))
    return direct_input_grad(g, *depthwise.direct, grad, weight, out);
  const std::vector<Phase> high = phases_of(g, 1), wide = phases_of(g, 2);
  // All phases read one copy: zeros before and behind as far as any of them reaches.
  int64_t before[3] = {}, reach[3] = {0, g.y[1], g.y[2]};
  for (const size_t axis : {1, 2})
    for (const Phase& phase : axis == 1 ? high : wide)
      for (const Tap& tap : phase.taps) {
        before[axis] = std::max(before[axis], -tap.offset);
        reach[axis] = std::max(reach[axis], (axis == 1 ? phase.count : whole_vectors(phase.count)) + tap.offset);
      }
  const Copied copied{before[1] + reach[1], before[2] + reach[2], 1, before[1], before[2]};
  const int64_t size = product(g.x), given = product(g.y), kernel = product(g.kernel), half = whole_vectors(divide_up(g.x[2], 2));
  const bool known = is_known(g) && g.stride[1] == 1 && g.stride[2] == 1 && g.dilation[2] == 1;
  DepthwisePlane plane{g.x[1], g.x[2], copied.pitch(), int(g.kernel[1]), 1, {}};
  for (int64_t k = 0; known && k < g.kernel[2]; ++k) plane.columns[k] = k;
  const int64_t turned = before[1] * copied.pitch() + before[2];  // where position 0 with offset 0 reads
  // The taps of each pair of phases.
  std::vector<std::vector<int64_t>> offsets, elements;
  for (const Phase& h : high)
    for (const Phase& w : wide) {
      offsets.emplace_back();
      elements.emplace_back();
      for (const Tap& a : h.taps)
        for (const Tap& b : w.taps) {
          offsets.back().push_back(turned + a.offset * copied.pitch() + b.offset);
          elements.back().push_back(a.kernel * g.kernel[2] + b.kernel);
        }
    }
  // Known kernels read from their first row and column on.
  const int64_t first = known ? turned + (g.before[1] - g.kernel[1] + 1) * copied.pitch() + g.before[2] - g.kernel[2] + 1 : 0;
  const int64_t grain = std::max<int64_t>(1, kPiece / copied.elements());
  const int64_t woven = g.stride[2] == 1 ? 0 : 2 * high[0].count * half;
  const size_t bytes = size_t(copied.elements() + woven + kernel) * sizeof(T);
  return parallel_with_scratch(g.batch * g.in, grain, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    T *copy = static_cast<T*>(scratch), *rows = copy + copied.elements(), *weights = rows + woven;
    std::memset(copy, 0, size_t(copied.elements()) * sizeof(T));
    for (int64_t p = begin; p < end; ++p) {
      const T* taps = weight + p % g.in * kernel;
      T* to = out + p * size;
      copy_plane(copied, copied.columns, grad + p * given, g.y[1], g.y[2], copy);
      if (known) {
        for (int64_t t = 0; t < kernel; ++t) weights[t] = taps[kernel - 1 - t];
        depthwise.plane(plane, weights, 0.0, copy + first, to);
        continue;
      }
      for (size_t h = 0; h < high.size(); ++h) {
        for (size_t w = 0; w < wide.size(); ++w) {
          const size_t pair = h * wide.size() + w;
          for (size_t t = 0; t < elements[pair].size(); ++t) weights[t] = taps[elements[pair][t]];
          const bool alone = wide.size() == 1;
          depthwise.taps(high[h].count, wide[w].count, copied.pitch(), int64_t(elements[pair].size()), offsets[pair].data(), weights,
                         0.0, copy, alone ? to + int64_t(h) * g.x[2] : rows + int64_t(w) * high[0].count * half,
                         alone ? g.stride[1] * g.x[2] : half);
        }
        for (int64_t r = 0; wide.size() == 2 && r < high[h].count; ++r)
          depthwise.weave(rows + r * half, rows + (high[0].count + r) * half, g.x[2], to + (r * g.stride[1] + int64_t(h)) * g.x[2]);
      }
    }
  });
}

template <class T>
bool depthwise_weight_grad(const Geometry& g, const T* grad, const T* x, T* out) {
  const DepthwiseLoops& depthwise = loops_of<T>();
  const bool direct = is_direct(g, depthwise) && is_short(g, depthwise);
  const DirectPlane where_it_lies = direct_plane(g);
  const Copied copied = copied_input(g);
  const DepthwisePlane plane = plane_of(g, copied);
  const int64_t in = product(g.x), size = product(g.y), kernel = product(g.kernel), multiple = g.out_group(), lanes = depthwise.lanes;
  const int64_t used = (g.y[2] - 1) * g.stride[2] + (g.kernel[2] - 1) * g.dilation[2] + 1;
  const int64_t vectors = plane.rows * divide_up(plane.width, lanes);  // of a plane, a tap
  const int64_t sums = multiple * kernel * lanes;
  const size_t bytes = size_t(copied.elements() + sums) * sizeof(T) + size_t(multiple * kernel) * sizeof(double) + sizeof(double);
  if (direct) {
    // A few images' sums in the type, lanes apart; theirs in double.
    const int64_t grain = std::max<int64_t>(1, kPiece / (g.batch * size));
    return parallel_with_scratch(g.out, grain, size_t(kernel) * (size_t(lanes) * sizeof(T) + sizeof(double)), [&](void* scratch, int64_t begin, int64_t end) {
      double* totals = static_cast<double*>(scratch);
      T* held = reinterpret_cast<T*>(totals + kernel);
      for (int64_t o = begin; o < end; ++o) {
        std::fill(totals, totals + kernel, 0.0);
        for (int64_t image = 0, count; image < g.batch; image += count) {
          count = std::clamp<int64_t>(kHeld / vectors, 1, g.batch - image);
          std::fill(held, held + kernel * lanes, T(0));
          depthwise.direct->weight_grad(where_it_lies, count, x + (image * g.in + o / multiple) * in, g.in * in,
                                        grad + (image * g.out + o) * size, g.out * size, held);
          for (int64_t t = 0; t < kernel; ++t)
            for (int64_t l = 0; l < lanes; ++l) totals[t] += double(held[t * lanes + l]);
        }
        for (int64_t t = 0; t < kernel; ++t) out[o * kernel + t] = T(totals[t]);
      }
    });
  }
  const int64_t grain = std::max<int64_t>(1, kPiece / (g.batch * copied.elements()));
  return parallel_with_scratch(g.in, grain, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    double* totals = static_cast<double*>(scratch);
    T *copy = reinterpret_cast<T*>(totals + multiple * kernel), *held = copy + copied.elements();
    std::memset(copy, 0, size_t(copied.elements()) * sizeof(T));
    for (int64_t c = begin; c < end; ++c) {
      std::fill(totals, totals + multiple * kernel, 0.0);
      std::fill(held, held + sums, T(0));
      const auto add_up = [&] {
        for (int64_t t = 0; t < multiple * kernel; ++t)
          for (int64_t l = 0; l < lanes; ++l) totals[t] += double(held[t * lanes + l]);
        std::fill(held, held + sums, T(0));
      };
      for (int64_t image = 0, count; image < g.batch; image += count) {
        count = std::clamp<int64_t>(kHeld / vectors, 1, g.batch - image);
        const T* from = x + (image * g.in + c) * in;
        const T* given = grad + (image * g.out + c * multiple) * size;
        for (int64_t n = 0; n < count; ++n, from += g.in * in, given += g.out * size) {
          copy_plane(copied, used, from, g.x[1], g.x[2], copy);
          for (int64_t i = 0; i < multiple; ++i) depthwise.weight_grad(plane, copy, given + i * size, held + i * kernel * lanes);
        }
        add_up();
      }
      for (int64_t t = 0; t < multiple * kernel; ++t) out[c * multiple * kernel + t] = T(totals[t]);
    }
  });
}

#define FL_INSTANCES(T)                                                                                       \
  template bool depthwise(const Geometry&, const T*, const T*, const T*, T*);        \
  template bool depthwise_input_grad(const Geometry&, const T*, const T*, T*);                                \
  template bool depthwise_weight_grad(const Geometry&, const T*, const T*, T*);
FL_INSTANCES(float)
FL_INSTANCES(double)
#undef FL_INSTANCES

}  // namespace flambeau::cpu
