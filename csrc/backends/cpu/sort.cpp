// sort.cpp: order along an axis, the largest of a line, places in sorted numbers, places that are not zero.
//
// Every element becomes an unsigned key of its size that has the same order (NaN as the largest, so that comparisons
// need no case for it; descending order is that of the keys' complement). Long lines are sorted by the digits of their
// keys, which is stable and takes no comparisons; short ones by comparison.
#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "dense.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;
constexpr int64_t kLongLine = 512;  // elements from which on digits beat comparisons (measured on Zen 5)
constexpr int64_t kManyCounts = 8 * 1024;  // elements from which on a pass costs more than thousands of counts
constexpr int kDigitBits = 32;  // of a key that go by digits; few elements agree in them and differ in others

enum class Kind { Unsigned, Signed, Float };
Kind kind_of(Type type) {
  if (is_floating(type)) return Kind::Float;
  return type == Type::Bool || (type >= Type::UInt8 && type <= Type::UInt64) ? Kind::Unsigned : Kind::Signed;
}
// The bits of infinity: what is above them, sign aside, is NaN.
uint64_t infinity_of(Type type) {
  switch (type) {
    case Type::Float16: return 0x7c00;
    case Type::BFloat16: return 0x7f80;
    case Type::Float32: return 0x7f800000;
    default: return 0x7ff0000000000000;
  }
}

// Elements of unsigned type U as keys and back. `exact` tells -0 from 0, so that elements can be had back from keys.
template <class U>
struct Keys {
  Kind kind;
  U infinity, flip;
  bool exact;
  Keys(Type type, bool descending, bool exact)
      : kind(kind_of(type)), infinity(U(infinity_of(type))), flip(descending ? U(~U(0)) : U(0)), exact(exact) {}
  using Whole = std::make_signed_t<U>;
  static constexpr int kTop = int(sizeof(U)) * 8 - 1;
  static constexpr U kSign = U(U(1) << kTop);

  // n elements at `from`, `step` of them apart.
  void read(const char* from, int64_t step, int64_t n, U* to) const {
    if (n == 0) return;  // an empty tensor may have no address, and memcpy must be given one
    if (step == 1) std::memcpy(to, from, size_t(n) * sizeof(U));
    else for (int64_t i = 0; i < n; ++i) std::memcpy(to + i, from + i * step * int64_t(sizeof(U)), sizeof(U));
    if (kind != Kind::Float) {
      const U mask = U(flip ^ (kind == Kind::Signed ? kSign : U(0)));
      for (int64_t i = 0; i < n; ++i) to[i] = U(to[i] ^ mask);
      return;
    }
    const U no_zero = exact ? U(~U(0)) : U(0);
    for (int64_t i = 0; i < n; ++i) {
      const U size = U(to[i] & U(~kSign)), bits = U(to[i] & U(no_zero | U(-U(size != 0))));
      const U key = U(bits ^ U(U(Whole(bits) >> kTop) | kSign));
      to[i] = U(U(key | U(-U(Whole(size) > Whole(infinity)))) ^ flip);
    }
  }
  void write(const U* keys, int64_t n, char* to, int64_t step) const {
    if (step != 1) {
      for (int64_t i = 0; i < n; ++i) {
        const U element = bits(keys[i]);
        std::memcpy(to + i * step * int64_t(sizeof(U)), &element, sizeof element);
      }
      return;
    }
    U* elements = reinterpret_cast<U*>(to);
    if (kind == Kind::Float) for (int64_t i = 0; i < n; ++i) elements[i] = float_bits(keys[i]);
    else for (int64_t i = 0; i < n; ++i) elements[i] = bits(keys[i]);
  }

 private:
  U float_bits(U key) const {
    key = U(key ^ flip);
    return U(key ^ U(U(Whole(U(~key)) >> kTop) | kSign));
  }
  U bits(U key) const {
    if (kind == Kind::Float) return float_bits(key);
    return U(key ^ U(flip ^ (kind == Kind::Signed ? kSign : U(0))));
  }
};

// Sorts n items by the lowest `bits` bits of key_of(item), some bits at a time; `other` has room for as many. Gives where the
// result lies. Few bits at a time have few counts, many have few passes.
template <class Item, class KeyOf>
Item* sort_by_digits(Item* items, Item* other, int64_t n, int bits, const KeyOf& key_of) {
  constexpr int kMost = 11, kFew = 8;
  const int passes = int(divide_up(bits, n < kManyCounts ? kFew : kMost));
  const int width = int(divide_up(bits, std::max(passes, 1))), size = 1 << width;
  std::vector<int64_t> counts(size_t(passes) * size_t(size), 0);
  for (int64_t i = 0; i < n; ++i) {
    auto key = key_of(items[i]);
    for (int d = 0; d < passes; ++d, key >>= width) ++counts[size_t(d * size) + size_t(key & decltype(key)(size - 1))];
  }
  for (int d = 0; d < passes; ++d) {
    int64_t* count = counts.data() + d * size;
    if (count[(key_of(items[0]) >> (d * width)) & decltype(key_of(items[0]))(size - 1)] == n) continue;  // all have this digit
    int64_t next = 0;
    for (int i = 0; i < size; ++i) next += std::exchange(count[i], next);
    for (int64_t i = 0; i < n; ++i) {
      const auto key = key_of(items[i]);
      other[count[(key >> (d * width)) & decltype(key)(size - 1)]++] = items[i];
    }
    std::swap(items, other);
  }
  return items;
}

// Sorts each stretch of items that have one digit by `less`.
template <class Item, class DigitOf, class Less>
void sort_within(Item* items, int64_t n, const DigitOf& digit_of, const Less& less) {
  for (int64_t begin = 0, end; begin < n; begin = end) {
    const auto digit = digit_of(items[begin]);
    for (end = begin + 1; end < n && digit_of(items[end]) == digit; ++end) {}
    if (!std::is_sorted(items + begin, items + end, less)) std::stable_sort(items + begin, items + end, less);
  }
}

// The bits in which n keys are not all alike.
template <class U>
U bits_that_differ(const U* keys, int64_t n) {
  U bits = 0;
  for (int64_t i = 0; i < n; ++i) bits |= U(keys[i] ^ keys[0]);
  return bits;
}

// One thread's lines at a time: each body gets a line's first byte in x and in the output.
template <class Body>
void for_lines(const AxisLines& from, const fl_tensor& x, const AxisLines& to, const fl_tensor& out, int64_t element,
               int64_t out_element, const Body& body) {
  parallel_for(from.count, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, from.size)), [&](int64_t begin, int64_t end) {
    auto work = body();
    for (int64_t line = begin; line < end; ++line)
      work(data_of(x) + from.offset(line) * element, data_of(out) + to.offset(line) * out_element);
  });
}

struct Ordering {
  Type stored;
};

int axis_of(const fl_call* call, int attr, int ndim) {
  const int axis = int(call->attrs[attr].value.i);
  return axis < 0 ? axis + ndim : axis;
}

// ---- sort ----

template <class U>
void sort_lines(Type type, const fl_tensor& x, const fl_tensor& out, int axis, bool descending) {
  const AxisLines from(x, axis), to(out, axis);
  const Keys<U> keys(type, descending, true);
  for_lines(from, x, to, out, sizeof(U), sizeof(U), [&] {
    return [&, line = std::vector<U>(size_t(from.size)), room = std::vector<U>()](const char* x_line, char* out_line) mutable {
      const int64_t n = from.size;
      keys.read(x_line, from.step, n, line.data());
      const U* sorted = line.data();
      if (n < kLongLine) {
        std::sort(line.begin(), line.end());
      } else {
        room.resize(size_t(n));
        const int high = std::bit_width(bits_that_differ(line.data(), n)), low = std::max(0, high - kDigitBits);
        const auto digit = [low](U key) { return U(key >> low); };
        U* by_digits = sort_by_digits(line.data(), room.data(), n, high - low, digit);
        if (low > 0) sort_within(by_digits, n, digit, std::less<U>());
        sorted = by_digits;
      }
      keys.write(sorted, n, out_line, to.step);
    };
  });
}

fl_status run_sort(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Ordering>(self).stored;
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  if (count_of(x) == 0) return FL_OK;
  const int axis = axis_of(call, 0, x.ndim);
  const bool descending = call->attrs[1].value.i != 0;
  switch (size_of(type)) {
    case 1: sort_lines<uint8_t>(type, x, out, axis, descending); break;
    case 2: sort_lines<uint16_t>(type, x, out, axis, descending); break;
    case 4: sort_lines<uint32_t>(type, x, out, axis, descending); break;
    default: sort_lines<uint64_t>(type, x, out, axis, descending);
  }
  return FL_OK;
}

// ---- argsort and the first k of it ----

template <class U, class Index>
struct Place {
  U key;
  Index index;
  bool operator<(const Place& other) const {
    return key < other.key || (key == other.key && index < other.index);
  }
};

// A long line's places in order: by the highest bits in which its keys differ, and those that agree there by all of them.
template <class U, class Index>
const Place<uint32_t, Index>* place_long_line(const U* keys, int64_t n, std::vector<Place<uint32_t, Index>>& line,
                                              std::vector<Place<uint32_t, Index>>& room) {
  using Item = Place<uint32_t, Index>;
  const int high = std::bit_width(bits_that_differ(keys, n)), low = std::max(0, high - kDigitBits);
  line.resize(size_t(n));
  room.resize(size_t(n));
  for (int64_t i = 0; i < n; ++i) line[size_t(i)] = {uint32_t(keys[i] >> low), Index(i)};
  const auto digit = [](const Item& item) { return item.key; };
  Item* sorted = sort_by_digits(line.data(), room.data(), n, high - low, digit);
  if (low > 0) sort_within(sorted, n, digit, [&](const Item& a, const Item& b) { return keys[a.index] < keys[b.index]; });
  return sorted;
}

// The `wanted` smallest keys of a line in order; equal ones in the order of the line.
template <class U, class Index>
void place_lines(Type type, const fl_tensor& x, const fl_tensor& out, int axis, bool descending, int64_t wanted) {
  const AxisLines from(x, axis), to(out, axis);
  const Keys<U> keys(type, descending, false);
  const bool few = wanted <= from.size / 16;
  for_lines(from, x, to, out, sizeof(U), sizeof(int64_t), [&] {
    using Item = Place<U, Index>;
    using Long = std::vector<Place<uint32_t, Index>>;
    return [&, key = std::vector<U>(size_t(from.size)), line = std::vector<Item>(), long_line = Long(), room = Long()](
               const char* x_line, char* out_line) mutable {
      const int64_t n = from.size;
      keys.read(x_line, from.step, n, key.data());
      const auto write = [&](const auto* sorted) {
        for (int64_t i = 0; i < wanted; ++i) {
          const int64_t index = int64_t(sorted[i].index);
          std::memcpy(out_line + i * to.step * 8, &index, 8);
        }
      };
      if (!few && n >= kLongLine) return write(place_long_line(key.data(), n, long_line, room));
      const auto item = [&](int64_t i) { return Item{key[size_t(i)], Index(i)}; };
      line.clear();
      if (few) {
        // The best so far are a heap with the worst of them on top; most elements are worse than that.
        for (int64_t i = 0; i < wanted; ++i) line.push_back(item(i));
        std::make_heap(line.begin(), line.end());
        for (int64_t i = wanted; i < n && wanted > 0; ++i) {
          if (key[size_t(i)] >= line[0].key) continue;
          std::pop_heap(line.begin(), line.end());
          line.back() = item(i);
          std::push_heap(line.begin(), line.end());
        }
        std::sort_heap(line.begin(), line.end());
      } else {
        for (int64_t i = 0; i < n; ++i) line.push_back(item(i));
        std::sort(line.begin(), line.end());
      }
      write(line.data());
    };
  });
}

template <class U>
void place(Type type, const fl_tensor& x, const fl_tensor& out, int axis, bool descending, int64_t wanted) {
  if (x.shape[axis] <= std::numeric_limits<uint32_t>::max())
    place_lines<U, uint32_t>(type, x, out, axis, descending, wanted);
  else
    place_lines<U, uint64_t>(type, x, out, axis, descending, wanted);
}

fl_status place_all(Type type, const fl_tensor& x, const fl_tensor& out, int axis, bool descending, int64_t wanted) {
  if (count_of(out) == 0) return FL_OK;
  switch (size_of(type)) {
    case 1: place<uint8_t>(type, x, out, axis, descending, wanted); break;
    case 2: place<uint16_t>(type, x, out, axis, descending, wanted); break;
    case 4: place<uint32_t>(type, x, out, axis, descending, wanted); break;
    default: place<uint64_t>(type, x, out, axis, descending, wanted);
  }
  return FL_OK;
}

fl_status run_argsort(const fl_kernel* self, fl_stream, const fl_call* call) {
  const fl_tensor& x = call->inputs[0];
  const int axis = axis_of(call, 0, x.ndim);
  return place_all(state_of<Ordering>(self).stored, x, call->outputs[0], axis, call->attrs[1].value.i != 0, x.shape[axis]);
}

fl_status run_argtop(const fl_kernel* self, fl_stream, const fl_call* call) {
  const fl_tensor& x = call->inputs[0];
  const int axis = axis_of(call, 1, x.ndim);
  return place_all(state_of<Ordering>(self).stored, x, call->outputs[0], axis, call->attrs[2].value.i != 0,
                   call->attrs[0].value.i);
}

// ---- searchsorted ----

// Many at once, step by step together, so that none waits for the memory of another.
template <class U, bool right>
void search_some(const U* table, int64_t n, const U* wanted, int64_t count, int64_t* to) {
  constexpr int64_t kTogether = 16;
  const auto is_before = [](U element, U key) { return right ? element <= key : element < key; };
  U keys[kTogether] = {};
  int64_t at[kTogether];
  for (int64_t begin = 0; begin < count; begin += kTogether) {
    const int64_t some = std::min(kTogether, count - begin);
    std::copy(wanted + begin, wanted + begin + some, keys);
    std::fill(at, at + kTogether, int64_t(0));
    for (int64_t left = n; left > 1;) {  // the place is one of [at, at + left]
      const int64_t half = left / 2;
      for (int64_t k = 0; k < kTogether; ++k) at[k] += half & -int64_t(is_before(table[at[k] + half - 1], keys[k]));
      left -= half;
    }
    for (int64_t k = 0; k < some; ++k) to[begin + k] = at[k] + (n > 0 && is_before(table[at[k]], keys[k]));
  }
}

template <class U>
bool search(Type type, const fl_tensor& sorted, const fl_tensor& wanted, const fl_tensor& out, bool right) {
  const Keys<U> keys(type, false, false);
  const int64_t n = sorted.shape[0], count = count_of(wanted);
  U* table = static_cast<U*>(host->scratch(size_t(n + 1) * sizeof(U)));
  U* own = static_cast<U*>(host->scratch(size_t(count) * sizeof(U)));
  if (!table || !own) return false;
  keys.read(data_of(sorted), sorted.strides[0], n, table);
  const char* from = data_of(wanted);
  if (!is_contiguous(wanted)) {
    char* copy = static_cast<char*>(host->scratch(size_t(count) * sizeof(U)));
    if (!copy) return false;
    copy_to_contiguous(wanted, copy);
    from = copy;
  }
  int64_t* to = reinterpret_cast<int64_t*>(data_of(out));
  parallel_for(count, 1024, [&](int64_t begin, int64_t end) {
    keys.read(from + begin * int64_t(sizeof(U)), 1, end - begin, own + begin);
    (right ? search_some<U, true> : search_some<U, false>)(table, n, own + begin, end - begin, to + begin);
  });
  return true;
}

fl_status run_searchsorted(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Ordering>(self).stored;
  const fl_tensor &sorted = call->inputs[0], &wanted = call->inputs[1], &out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const bool right = std::strcmp(call->attrs[0].value.text, "right") == 0;
  const auto run = size_of(type) == 1 ? search<uint8_t> : size_of(type) == 2 ? search<uint16_t>
                   : size_of(type) == 4 ? search<uint32_t> : search<uint64_t>;
  return run(type, sorted, wanted, out, right) ? FL_OK : fail(FL_OUT_OF_MEMORY, "searchsorted: no memory for a copy");
}

// ---- nonzero ----

constexpr int64_t kTruths = 1024;

// A byte of 0 or 1 for each of n elements: whether it is not 0. `mask` leaves out the sign of a float, so that -0 is zero.
template <class U>
void truths(const U* x, U mask, int64_t n, uint8_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = U(x[i] & mask) != 0;
}
int64_t count_truths(const uint8_t* truth, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += 128) {
    uint8_t part = 0;  // no more than 128
    for (int64_t j = i; j < std::min(n, i + 128); ++j) part = uint8_t(part + truth[j]);
    count += part;
  }
  return count;
}
// The places of the ones from `first` on to `to`, which has room for 8 more than there are; gives how many.
int64_t places_of(const uint8_t* truth, int64_t n, int64_t first, int64_t* to) {
  int64_t found = 0, i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, truth + i, 8);
    if (eight == 0) continue;
    for (int64_t j = 0; j < 8; ++j) {  // written without a branch
      to[found] = first + i + j;
      found += truth[i + j];
    }
  }
  for (; i < n; ++i) {
    to[found] = first + i;
    found += truth[i];
  }
  return found;
}

template <class U>
fl_status write_places(Type type, const char* bytes, int64_t n, int64_t count, int64_t* to) {
  const U* x = reinterpret_cast<const U*>(bytes);
  const U mask = is_floating(type) ? U(~Keys<U>::kSign) : U(~U(0));
  constexpr int64_t kChunk = 64 * 1024;
  const int64_t chunks = divide_up(n, kChunk);
  int64_t* before = static_cast<int64_t*>(host->scratch(size_t(chunks + 1) * sizeof(int64_t)));
  if (!before) return fail(FL_OUT_OF_MEMORY, "nonzero: no memory");
  before[0] = 0;
  const auto for_blocks = [&](int64_t chunk, auto&& visit) {
    alignas(64) uint8_t truth[kTruths];
    const int64_t stop = std::min(n, (chunk + 1) * kChunk);
    for (int64_t i = chunk * kChunk; i < stop; i += kTruths) {
      const int64_t part = std::min(kTruths, stop - i);
      truths<U>(x + i, mask, part, truth);
      visit(i, part, truth);
    }
  };
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      int64_t found = 0;
      for_blocks(c, [&](int64_t, int64_t part, const uint8_t* truth) { found += count_truths(truth, part); });
      before[c + 1] = found;
    }
  });
  std::partial_sum(before, before + chunks + 1, before);
  if (before[chunks] < count)
    return fail(FL_BAD_VALUE, "nonzero: count is %" PRId64 ", but only %" PRId64 " elements are not 0", count, before[chunks]);
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    int64_t places[kTruths + 8];
    for (int64_t c = begin; c < end; ++c) {
      int64_t next = before[c];
      for_blocks(c, [&](int64_t first, int64_t part, const uint8_t* truth) {
        // Copied as far as there is room.
        const int64_t found = std::min(places_of(truth, part, first, places), std::max<int64_t>(0, count - next));
        if (found) std::memcpy(to + next, places, size_t(found) * sizeof(int64_t));
        next += found;
      });
    }
  });
  return FL_OK;
}

fl_status run_nonzero(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Ordering>(self).stored;
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int64_t n = count_of(x), count = count_of(out);
  if (count == 0) return FL_OK;
  const char* from = data_of(x);
  if (!is_contiguous(x)) {
    char* copy = static_cast<char*>(host->scratch(size_t(n * size_of(type))));
    if (!copy) return fail(FL_OUT_OF_MEMORY, "nonzero: no memory for a copy");
    copy_to_contiguous(x, copy);
    from = copy;
  }
  int64_t* to = reinterpret_cast<int64_t*>(data_of(out));
  if (is_complex(type)) {
    char* truth = static_cast<char*>(host->scratch(size_t(n)));
    if (!truth) return fail(FL_OUT_OF_MEMORY, "nonzero: no memory for a copy");
    const void* pairs[] = {from};
    convert(type, Type::Bool)(pairs, truth, n);
    return write_places<uint8_t>(Type::Bool, truth, n, count, to);
  }
  switch (size_of(type)) {
    case 1: return write_places<uint8_t>(type, from, n, count, to);
    case 2: return write_places<uint16_t>(type, from, n, count, to);
    case 4: return write_places<uint32_t>(type, from, n, count, to);
    default: return write_places<uint64_t>(type, from, n, count, to);
  }
}

template <auto run>
const fl_kernel* resolve_places(const char*, std::span<const Type> types) {
  if (types.size() != 2 || types[1] != Type::Int64) return nullptr;
  if (is_complex(types[0]) && run != run_nonzero) return nullptr;
  return keep_kernel(run, Ordering{types[0]});
}

const Registration kSort({"sort"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  return types.size() == 2 && types[0] == types[1] && !is_complex(types[0]) ? keep_kernel(run_sort, Ordering{types[0]}) : nullptr;
});
const Registration kArgsort({"argsort"}, resolve_places<run_argsort>);
const Registration kArgtop({"argtop"}, resolve_places<run_argtop>);
const Registration kNonzero({"nonzero"}, resolve_places<run_nonzero>);
const Registration kSearchsorted({"searchsorted"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  if (types.size() != 3 || types[0] != types[1] || types[2] != Type::Int64 || is_complex(types[0])) return nullptr;
  return keep_kernel(run_searchsorted, Ordering{types[0]});
});

}  // namespace
}  // namespace flambeau::cpu
