// Recorded programs: one flat list of ops in single static assignment, printed and parsed as text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/apply.h"
#include "core/op.h"

namespace flambeau {

struct GraphValue {
  Dims shape;
  DType dtype = DType::Float32;
};

struct GraphNode {
  const OpRow* row = nullptr;
  std::vector<int32_t> inputs;
  std::vector<int32_t> outputs;
  std::vector<Attr> attrs;
};

// A tensor that the recorded function used without getting it as an argument. Undefined after parsing.
struct Capture {
  int32_t value;
  Tensor tensor;
};

struct Graph {
  std::vector<GraphValue> values;
  std::vector<GraphNode> nodes;
  std::vector<int32_t> inputs;
  std::vector<Capture> captures;
  std::vector<int32_t> outputs;

  // graph(%0: float32[2, 3]) captures(%1: float32[3]) {
  //   %2: float32[2, 3] = add(%0, %1)
  //   return %2
  // }
  std::string text() const;
  // ValueError names the line that cannot be read, or what is wrong with the program.
  static Graph parse(std::string_view text);

  // Op by op through apply(). Raises ShapeError or DTypeError if an argument is not what was recorded.
  std::vector<Tensor> run(Inputs arguments) const;
};

// Listens to apply() in this thread from construction to finish().
class GraphRecorder final : public Recorder {
 public:
  GraphRecorder();
  ~GraphRecorder() override;
  // A value-less tensor that stands for the next argument.
  Tensor argument(const Tensor& like);
  void record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) override;
  uint32_t writes(const Tensor& x) const override;
  // Stops listening; does nothing if it has stopped.
  void stop();
  // Stops listening and gives the graph whose results these are, without ops that no result needs.
  Graph finish(Inputs results);

 private:
  int32_t number_of(const Tensor& x);
  int32_t write_to(const Tensor& x);
  int32_t add_value(const Tensor& x);
  // A value that lies in memory of its own.
  int32_t add_memory(const Tensor& x);
  // A value that is another look at, or the next state of, the memory of value `of`.
  int32_t add_look(const Tensor& x, int32_t of);

  Graph graph_;
  std::vector<int32_t> memory_of_;  // by value: the first value in the same memory
  std::vector<uint32_t> written_;   // by value that is the first in its memory: what writes() says
  uint64_t recording_;
  Recorder* before_;
  bool listening_ = true;
  struct Known;
  std::unique_ptr<Known> known_;
};

}  // namespace flambeau
