// race_driver.cpp: the core alone, without Python, used by several threads at once as Python's threads may use it while
// the lock of the interpreter is released. Built with ThreadSanitizer by tests/sanitize.py: it must find nothing, and
// every number must be right. Ends with 0 if so; a sentence on standard error names what was wrong.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "autograd/autograd.h"
#include "core/allocator.h"
#include "core/apply.h"
#include "core/profile.h"
#include "core/error.h"
#include "core/threads.h"
#include "graph/graph.h"

using namespace flambeau;

namespace {

constexpr int kThreads = 4;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "race_driver: %s\n", what.c_str());
  std::_Exit(1);
}

// Runs `body(number)` in so many threads at once and waits for them.
template <class Body>
void at_once(int threads, Body body) {
  std::atomic<int> ready{0};
  std::vector<std::thread> all;
  for (int number = 0; number < threads; ++number)
    all.emplace_back([&, number] {
      for (++ready; ready.load() < threads;) std::this_thread::yield();
      body(number);
    });
  for (std::thread& thread : all) thread.join();
}

Tensor op(std::string_view name, std::initializer_list<Tensor> inputs, std::initializer_list<Attr> attrs = {}) {
  return apply(op_named(name), inputs, attrs);
}
Tensor filled(Dims shape, double value) { return full(shape, value, DType::Float32, cpu()); }
Tensor sum(const Tensor& x) {
  Dims axes;
  for (int64_t axis = 0; axis < x.ndim(); ++axis) axes.push_back(axis);
  return op("sum", {x}, {axes, false, x.dtype()});
}
double first(const Tensor& x) { return *static_cast<const float*>(x.host_data()); }
Tensor leaf(Dims shape, double value) {
  Tensor x = filled(shape, value);
  set_requires_grad(x, true);
  return x;
}
void expect(const Tensor& x, double value, const char* where) {
  const auto* data = static_cast<const float*>(x.host_data());
  for (int64_t i = 0; i < x.count(); ++i)
    check(data[i] == static_cast<float>(value),
          std::string(where) + ": element " + std::to_string(i) + " is " + std::to_string(data[i]) + " instead of " +
              std::to_string(value));
}

// Every thread cuts work for the pool: their pieces mix in it, and the number of threads changes meanwhile.
void pool() {
  at_once(kThreads, [](int number) {
    for (int round = 0; round < 30; ++round) {
      if (number == 0) set_thread_count(1 + round % 4);
      const int64_t n = 1 + (number + 1) * 10007 * (round % 3);
      std::vector<int32_t> seen(static_cast<size_t>(n));
      parallel_for(n, 1000, [](void* context, int64_t begin, int64_t end) {
        auto& own = *static_cast<std::vector<int32_t>*>(context);
        auto* more = static_cast<char*>(scratch(static_cast<uint64_t>(end - begin)));
        for (int64_t i = begin; i < end; ++i) more[i - begin] = 1, own[static_cast<size_t>(i)] += more[i - begin];
      }, &seen);
      release_scratch();
      for (const int32_t times : seen) check(times == 1, "parallel_for did an element not once");
    }
  });
  set_thread_count(3);
}

// Tensors of all sizes are made here and let go of there; their memory goes round.
void memory() {
  std::mutex lock;
  std::vector<Tensor> handed_over;
  at_once(kThreads, [&](int number) {
    for (int round = 0; round < 200; ++round) {
      const int64_t size = int64_t{1} << ((round * 7 + number) % 16);
      Tensor x = filled({size}, number + 1);
      Tensor y = op("add", {x, x});
      expect(y, 2 * (number + 1), "memory");
      std::lock_guard guard(lock);
      handed_over.push_back(std::move(y));
      if (handed_over.size() > 20) handed_over.erase(handed_over.begin(), handed_over.begin() + 10);
      if (round % 50 == 0) cpu()->allocator().trim();
      check(cpu()->allocator().figures().used_bytes > 0, "tensors live and no memory is in use");
    }
  });
}

// Forward and backward of a small network in every thread; large layers are cut for the pool. Weights are shared.
void gradients() {
  const Tensor weight = leaf({64, 64}, 0.5), wide = leaf({300000}, 2.0);
  constexpr int kRounds = 8;
  at_once(kThreads, [&](int) {
    for (int round = 0; round < kRounds; ++round) {
      const Tensor x = leaf({8, 64}, 1.0);
      const Tensor hidden = op("relu", {op("matmul", {x, weight})});
      const Tensor loss = op("add", {sum(hidden), sum(op("multiply", {wide, wide}))});
      check(first(sum(hidden)) == 8 * 64 * 32, "gradients: the forward pass is wrong");
      backward(std::span(&loss, 1), {}, {}, {});
      expect(grad_of(x), 32, "the gradient of a tensor of one thread");
      const Tensor so_far = grad_of(weight);  // others add to it meanwhile
      check(so_far.defined() && std::fmod(first(so_far), 8.0) == 0, "a shared gradient is half added");
    }
  });
  expect(grad_of(weight), 8.0 * kThreads * kRounds, "the gradient of shared weights");
  expect(grad_of(wide), 4.0 * kThreads * kRounds, "the gradient of large shared weights");
}

// Losses that share the first part of their graph, walked at once: kept graphs give every thread its gradient; of those
// who let go of what was saved, one walks and the others are told so.
void shared_graphs() {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = leaf({256}, 3.0);
    const Tensor shared = op("exp", {op("multiply", {x, x})});
    at_once(kThreads, [&](int number) {
      const Tensor loss = sum(op("multiply", {shared, filled({256}, number)}));
      const std::vector<Tensor> found = flambeau::gradients(std::span(&loss, 1), {}, std::span(&x, 1), {.retain_graph = true});
      expect(found[0], static_cast<float>(number) * 6.0f * first(shared), "the gradient through a shared graph");
    });
    std::atomic<int> walked{0}, refused{0};
    at_once(kThreads, [&](int) {
      const Tensor loss = sum(shared);
      try {
        backward(std::span(&loss, 1), {}, {}, {});
        ++walked;
      } catch (const Error&) {
        ++refused;
      }
    });
    check(walked >= 1 && walked + refused == kThreads, "nobody could walk the shared graph");
  }
}

// Each thread records a graph of its own and replays it; scalars and kernels come from what threads share.
void recordings() {
  at_once(kThreads, [](int number) {
    for (int round = 0; round < 20; ++round) {
      const Tensor x = filled({100}, number);
      GraphRecorder recorder;
      const Tensor argument = recorder.argument(x);
      const Tensor result = op("add", {op("multiply", {argument, argument}), scalar(1.0 * round, DType::Float32, cpu())});
      const Graph graph = recorder.finish(std::span(&result, 1));
      const Graph again = Graph::parse(graph.text());
      for (const Graph* one : {&graph, &again})
        expect(one->run(std::span(&x, 1))[0], number * number + round, "a replayed graph");
    }
  });
}

// Whatever an op finds at its first use (its kernel, its row, constants) is found by all threads at once.
void first_uses() {
  const std::vector<Device*> known = devices();
  check(known.size() >= 2, "cpu and reference are not there");
  at_once(kThreads, [&](int) {
    for (const char* name : {"exp", "log", "tanh", "sigmoid", "sqrt", "abs", "negative", "square", "floor"})
      for (Device* device : {cpu(), device_named("reference")})
        for (const DType dtype : {DType::Float16, DType::BFloat16, DType::Float32, DType::Float64})
          op(name, {full({5}, 1.0, dtype, device)});
  });
}

// One thread starts and ends profiles and reads what they hold, while others compute, walk and name scopes.
void profiles() {
  std::atomic<int> working{kThreads - 1};
  at_once(kThreads, [&](int number) {
    if (number > 0) {
      for (int round = 0; round < 60; ++round) {
        const uint64_t scope = begin_scope("round");
        const Tensor x = leaf({32}, 2.0);
        const Tensor loss = sum(op("exp", {op("multiply", {x, x})}));
        backward(std::span(&loss, 1), {}, {}, {});
        end_scope(scope);
      }
      --working;
      return;
    }
    size_t seen = 0;
    do {
      start_profile(kProfileEvents | kProfileMemory | kProfileShapes);
      op("exp", {filled({16}, 1.0)});
      stop_profile([](void* count, const std::vector<ThreadRecords>& threads) {
        for (const ThreadRecords& thread : threads)
          for (const ProfileEvent* event : thread.events) {
            check(event->name && event->end_ns >= event->begin_ns, "an event is half written");
            *static_cast<size_t*>(count) += std::string(event->name).size();
          }
      }, &seen);
    } while (working > 0);
    check(seen > 0, "nothing was profiled");
  });
}

}  // namespace

int main() {
  const struct {
    const char* name;
    void (*run)();
  } all[] = {{"first uses", first_uses}, {"pool", pool}, {"memory", memory}, {"gradients", gradients},
             {"shared graphs", shared_graphs}, {"recordings", recordings}, {"profiles", profiles}};
  for (const auto& one : all) {
    one.run();
    std::printf("%s: right\n", one.name);
    std::fflush(stdout);
  }
  return 0;
}
