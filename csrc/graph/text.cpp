// Graphs as text: print and parse give the same program.
#include <charconv>
#include <limits>

#include "graph/graph.h"

namespace flambeau {
namespace {

std::string type_text(const GraphValue& value) {
  std::string to = text(value.dtype, "[");
  for (size_t i = 0; i < value.shape.size(); ++i) to += text(i ? ", " : "", value.shape[i]);
  return to + "]";
}

std::string attr_text(const Attr& attr) {
  switch (attr.kind()) {
    case FL_ATTR_NONE: return "none";
    case FL_ATTR_BOOL: return attr.as_bool() ? "true" : "false";
    case FL_ATTR_INT: return std::to_string(attr.as_int());
    case FL_ATTR_FLOAT: return text(attr.as_float());
    case FL_ATTR_DTYPE: return std::string(name_of(attr.as_dtype()));
    case FL_ATTR_TEXT: {
      std::string quoted = "\"";
      for (char c : attr.text()) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
      }
      return quoted + "\"";
    }
    case FL_ATTR_INTS: {
      std::string list = "[";
      for (size_t i = 0; i < attr.ints().size(); ++i) list += text(i ? ", " : "", attr.ints()[i]);
      return list + "]";
    }
  }
  return "none";
}

// Reads words of the text and knows which line it is in.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      if (text_[at_] == '\n') ++line_;
      ++at_;
    }
  }
  bool at_end() { skip_space(); return at_ == text_.size(); }
  bool try_take(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void take(std::string_view word) {
    if (!try_take(word)) fail(flambeau::text("'", word, "' expected"));
  }
  std::string_view name() {
    skip_space();
    const size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (at_ == from) fail("a name expected");
    return text_.substr(from, at_ - from);
  }
  template <class Number>
  Number number() {
    skip_space();
    Number value{};
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) fail("a number expected");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }
  std::string quoted() {
    take("\"");
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_++];
    }
    take("\"");
    return value;
  }
  [[noreturn]] void fail(const std::string& why) {
    const size_t from = text_.rfind('\n', at_ ? at_ - 1 : 0) + 1;
    std::string_view rest = text_.substr(std::min(from, text_.size()));
    raise(ErrorKind::Value, "graph text, line ", line_, ": ", why, " in '", rest.substr(0, rest.find('\n')), "'");
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : in_(text) {}

  Graph parse() {
    in_.take("graph");
    typed_list([this](int32_t value) { graph_.inputs.push_back(value); });
    if (in_.try_take("captures")) typed_list([this](int32_t value) { graph_.captures.push_back({value, Tensor()}); });
    in_.take("{");
    while (!in_.try_take("return")) node();
    if (!in_.try_take("}")) {
      do graph_.outputs.push_back(use()); while (in_.try_take(","));
      in_.take("}");
    }
    if (!in_.at_end()) in_.fail("nothing may follow '}'");
    return std::move(graph_);
  }

 private:
  template <class Keep>
  void typed_list(Keep keep) {
    in_.take("(");
    if (in_.try_take(")")) return;
    do keep(define()); while (in_.try_take(","));
    in_.take(")");
  }

  int32_t value_number() {
    in_.take("%");
    const auto number = in_.number<int32_t>();
    if (number < 0 || number > 100'000'000) in_.fail(text("%", number, " is no value's number"));
    return number;
  }

  int32_t define() {
    const int32_t written = value_number();
    in_.take(":");
    GraphValue value;
    value.dtype = dtype();
    value.shape = ints();
    const auto number = static_cast<int32_t>(graph_.values.size());
    if (written != number) in_.fail(text("values are numbered in order: %", number, " expected"));
    graph_.values.push_back(std::move(value));
    return number;
  }

  int32_t use() {
    const int32_t number = value_number();
    if (number >= static_cast<int32_t>(graph_.values.size())) in_.fail(text("%", number, " is used before it is made"));
    return number;
  }

  DType dtype() {
    const auto name = in_.name();
    const auto dtype = dtype_named(name);
    if (!dtype) in_.fail(text("'", name, "' is no dtype"));
    return *dtype;
  }

  Dims ints() {
    Dims values;
    in_.take("[");
    if (in_.try_take("]")) return values;
    do values.push_back(in_.number<int64_t>()); while (in_.try_take(","));
    in_.take("]");
    return values;
  }

  Attr attr(fl_attr_kind kind) {
    if (in_.try_take("none")) return {};
    switch (kind) {
      case FL_ATTR_BOOL: {
        if (in_.try_take("true")) return true;
        in_.take("false");
        return false;
      }
      case FL_ATTR_INT: return in_.number<int64_t>();
      case FL_ATTR_FLOAT: return in_.number<double>();
      case FL_ATTR_DTYPE: return dtype();
      case FL_ATTR_TEXT: return in_.quoted();
      case FL_ATTR_INTS: return ints();
      default: return {};
    }
  }

  void node() {
    GraphNode node;
    const size_t first = graph_.values.size();
    do node.outputs.push_back(define()); while (in_.try_take(","));
    in_.take("=");
    const auto name = in_.name();
    node.row = find_op(name);
    if (!node.row) in_.fail(text("there is no op '", name, "'"));
    in_.take(".");
    if (const auto version = in_.number<int32_t>(); version != node.row->version)
      in_.fail(text(name, " is at version ", node.row->version, " here and at ", version, " in the text"));
    in_.take("(");
    if (!in_.try_take(")")) {
      do {
        node.inputs.push_back(use());
        if (static_cast<size_t>(node.inputs.back()) >= first) in_.fail("an op cannot use its own results");
      } while (in_.try_take(","));
      in_.take(")");
    }
    for (const AttrSpec& spec : node.row->attrs) {
      in_.take(spec.name);
      in_.take("=");
      node.attrs.push_back(attr(spec.kind));
    }
    graph_.nodes.push_back(std::move(node));
  }

  Reader in_;
  Graph graph_;
};

}  // namespace

std::string Graph::text() const {
  // Values are numbered anew in the order in which they stand in the text.
  std::vector<int32_t> number(values.size(), -1);
  int32_t next = 0;
  const auto define = [&](int32_t value) {
    number[static_cast<size_t>(value)] = next;
    return flambeau::text("%", next++, ": ", type_text(values[static_cast<size_t>(value)]));
  };
  const auto use = [&](int32_t value) { return flambeau::text("%", number[static_cast<size_t>(value)]); };

  std::string to = "graph(";
  for (size_t i = 0; i < inputs.size(); ++i) to += (i ? ", " : "") + define(inputs[i]);
  to += ")";
  if (!captures.empty()) {
    to += " captures(";
    for (size_t i = 0; i < captures.size(); ++i) to += (i ? ", " : "") + define(captures[i].value);
    to += ")";
  }
  to += " {\n";
  for (const GraphNode& node : nodes) {
    to += "  ";
    for (size_t i = 0; i < node.outputs.size(); ++i) to += (i ? ", " : "") + define(node.outputs[i]);
    to += flambeau::text(" = ", node.row->name, ".", node.row->version, "(");
    for (size_t i = 0; i < node.inputs.size(); ++i) to += (i ? ", " : "") + use(node.inputs[i]);
    to += ")";
    for (size_t i = 0; i < node.attrs.size(); ++i) to += flambeau::text(" ", node.row->attrs[i].name, "=", attr_text(node.attrs[i]));
    to += "\n";
  }
  to += "  return";
  for (size_t i = 0; i < outputs.size(); ++i) to += (i ? ", " : " ") + use(outputs[i]);
  return to + "\n}\n";
}

Graph Graph::parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace flambeau
