#include <atomic>
#include <unordered_map>

#include "graph/graph.h"

namespace flambeau {

// Tensors with values that were met while recording, by what they are; kept alive so that an address is not reused. By
// memory the first value in it.
struct GraphRecorder::Known {
  struct Entry {
    Tensor tensor;
    int32_t value;
  };
  std::unordered_map<const TensorImpl*, Entry> by_impl;
  std::unordered_map<const Storage*, int32_t> by_memory;
};

namespace {
std::atomic<uint64_t> next_recording{1};
}

GraphRecorder::GraphRecorder()
    : recording_(next_recording.fetch_add(1)), before_(recorder()), known_(std::make_unique<Known>()) {
  if (before_)
    raise(ErrorKind::Runtime, "record: a function is being recorded already in this thread; record the inner one first and "
          "call the function itself here");
  set_recorder(this);
}

GraphRecorder::~GraphRecorder() { stop(); }

void GraphRecorder::stop() {
  if (listening_) set_recorder(before_);
  listening_ = false;
}

int32_t GraphRecorder::add_value(const Tensor& x) {
  graph_.values.push_back({x.shape(), x.dtype()});
  return static_cast<int32_t>(graph_.values.size() - 1);
}

int32_t GraphRecorder::add_memory(const Tensor& x) {
  const int32_t value = add_value(x);
  memory_of_.push_back(value);
  // What is only recorded may become another value without a write (take_result), so each memory starts with a number of its own.
  written_.push_back(x.has_value() ? 0 : static_cast<uint32_t>(value) + 1);
  return value;
}

int32_t GraphRecorder::add_look(const Tensor& x, int32_t of) {
  const int32_t value = add_value(x);
  memory_of_.push_back(memory_of_[static_cast<size_t>(of)]);
  written_.push_back(0);
  return value;
}

uint32_t GraphRecorder::writes(const Tensor& x) const {
  int32_t value = x->recording == recording_ ? x->recorded : -1;
  if (x->storage) {
    const auto found = known_->by_memory.find(x->storage.get());
    value = found == known_->by_memory.end() ? -1 : found->second;
  }
  return value < 0 ? 0 : written_[static_cast<size_t>(memory_of_[static_cast<size_t>(value)])];
}

Tensor GraphRecorder::argument(const Tensor& like) {
  Tensor x = Tensor::description(like.shape(), like.dtype(), like.device());
  x->recorded = add_memory(x);
  x->recording = recording_;
  x->is_view = true;  // of what the caller has
  graph_.inputs.push_back(x->recorded);
  return x;
}

int32_t GraphRecorder::number_of(const Tensor& x) {
  if (x->recorded >= 0 && x->recording == recording_) return x->recorded;
  if (x.is_batched()) require_value(x, "record");
  if (x->recorded >= 0) raise(ErrorKind::Runtime, "record: a tensor of another recording is used, which never got a value");
  const auto found = known_->by_impl.find(x.get());
  if (found != known_->by_impl.end()) return found->second.value;
  const auto memory = known_->by_memory.find(x->storage.get());
  const int32_t value = x->storage && memory != known_->by_memory.end() ? add_look(x, memory->second) : add_memory(x);
  if (x->storage) known_->by_memory.emplace(x->storage.get(), value);
  graph_.captures.push_back({value, x.detach()});
  known_->by_impl.emplace(x.get(), Known::Entry{x, value});
  return value;
}

// An op in place gives its input's tensor a new value from here on, and all that look into the same memory see it.
int32_t GraphRecorder::write_to(const Tensor& x) {
  const int32_t value = add_look(x, number_of(x));
  written_[static_cast<size_t>(memory_of_[static_cast<size_t>(value)])] = static_cast<uint32_t>(value) + 1;
  const auto found = known_->by_impl.find(x.get());
  if (found != known_->by_impl.end()) found->second.value = value;
  else x->recorded = value;
  return value;
}

void GraphRecorder::record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  GraphNode node;
  node.row = &row;
  node.attrs.assign(attrs.begin(), attrs.end());
  for (const Tensor& x : inputs) node.inputs.push_back(number_of(x));
  for (Tensor& out : outputs) {
    if (row.aliases) {
      node.outputs.push_back(write_to(out));
      continue;
    }
    out->recorded = row.view && out->is_view ? add_look(out, node.inputs[0]) : add_memory(out);
    out->recording = recording_;
    node.outputs.push_back(out->recorded);
  }
  graph_.nodes.push_back(std::move(node));
}

Graph GraphRecorder::finish(Inputs results) {
  for (const Tensor& x : results) graph_.outputs.push_back(number_of(x));
  stop();

  std::vector<bool> needed(graph_.values.size(), false);
  for (int32_t value : graph_.outputs) needed[static_cast<size_t>(value)] = true;
  std::vector<GraphNode> kept;
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    GraphNode& node = graph_.nodes[i];
    bool wanted = node.row->aliases != nullptr;
    for (int32_t value : node.outputs) wanted = wanted || needed[static_cast<size_t>(value)];
    if (!wanted) continue;
    for (int32_t value : node.inputs) needed[static_cast<size_t>(value)] = true;
    kept.push_back(std::move(node));
  }
  graph_.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::erase_if(graph_.captures, [&](const Capture& c) { return !needed[static_cast<size_t>(c.value)]; });
  return std::move(graph_);
}

}  // namespace flambeau
