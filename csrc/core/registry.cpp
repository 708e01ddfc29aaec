#include "core/registry.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>

#include "core/error.h"

namespace flambeau {
namespace {

struct Table {
  std::deque<OpRow> rows;
  std::map<std::string_view, const OpRow*> by_name;
};

Table& table() {
  static Table* table = new Table();  // kept until the process ends: tensors may outlive static objects
  return *table;
}

[[noreturn]] void refuse(const OpRow& row, const char* why) {
  std::fprintf(stderr, "flambeau: the op row '%s' %s\n", row.name ? row.name : "", why);
  std::abort();
}

// Number of edits between two names, for "did you mean".
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace

const OpRow& register_op(OpRow row) {
  Table& t = table();
  if (!row.name || !*row.name) refuse(row, "has no name");
  if (t.by_name.count(row.name)) refuse(row, "is registered twice");
  if (!row.pointwise && !row.infer && !row.view) refuse(row, "has neither infer nor view");
  if (row.composite && !row.decompose) refuse(row, "is a composite without a decomposition");
  if (row.output_count == kAnyNumber && !row.aliases) refuse(row, "has any number of outputs but no aliases");
  if (row.saves && (row.max_inputs == kAnyNumber || row.max_inputs > 31)) refuse(row, "has more inputs than `saves` can tell apart");
  row.id = static_cast<int32_t>(t.rows.size());
  t.rows.push_back(std::move(row));
  const OpRow& kept = t.rows.back();
  t.by_name.emplace(kept.name, &kept);
  return kept;
}

const OpRow* find_op(std::string_view name) {
  const auto found = table().by_name.find(name);
  return found == table().by_name.end() ? nullptr : found->second;
}

const OpRow& op_named(std::string_view name) {
  if (const OpRow* row = find_op(name)) return *row;
  std::string near;
  for (const auto& [other, row] : table().by_name)
    if (edits(name, other) <= 2) near += (near.empty() ? "; did you mean " : ", ") + std::string(other);
  raise(ErrorKind::NotImplemented, "there is no op '", name, "'", near);
}

std::vector<const OpRow*> op_table() {
  std::vector<const OpRow*> rows;
  for (const auto& [name, row] : table().by_name) rows.push_back(row);
  return rows;
}

}  // namespace flambeau
