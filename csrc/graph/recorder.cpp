#include <atomic>
#include <unordered_map>

#include "graph/graph.h"

namespace flambeau {

// Tensors with values that were met while recording, by what they are; kept alive so that an address is not reused.
struct GraphRecorder::Known {
  struct Entry {
    Tensor tensor;
    int32_t value;
  };
  std::unordered_map<const TensorImpl*, Entry> by_impl;
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

Tensor GraphRecorder::argument(const Tensor& like) {
  Tensor x = Tensor::description(like.shape(), like.dtype(), like.device());
  x->recorded = add_value(x);
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
  const int32_t value = add_value(x);
  graph_.captures.push_back({value, x.detach()});
  known_->by_impl.emplace(x.get(), Known::Entry{x, value});
  return value;
}

void GraphRecorder::record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  GraphNode node;
  node.row = &row;
  node.attrs.assign(attrs.begin(), attrs.end());
  for (const Tensor& x : inputs) node.inputs.push_back(number_of(x));
  for (Tensor& out : outputs) {
    const int32_t value = add_value(out);
    node.outputs.push_back(value);
    // An op in place gives its input's tensor a new value from here on.
    const auto found = row.aliases ? known_->by_impl.find(out.get()) : known_->by_impl.end();
    if (found != known_->by_impl.end()) {
      found->second.value = value;
    } else {
      out->recorded = value;
      out->recording = recording_;
    }
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
