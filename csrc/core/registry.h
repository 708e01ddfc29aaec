// The op table: rows register themselves when the library loads.
#pragma once

#include <string_view>
#include <vector>

#include "core/op.h"

namespace flambeau {

// Keeps the row for good and gives it back. Write `static const OpRow& kAdd = register_op({.name = "add", ...});`.
// A name that is taken, or a row that cannot work (no infer, no way to compute), ends the program at load.
const OpRow& register_op(OpRow row);

// The row of this name; NotImplementedError with near names if there is none.
const OpRow& op_named(std::string_view name);
const OpRow* find_op(std::string_view name);
// All rows in the order of their names.
std::vector<const OpRow*> op_table();

}  // namespace flambeau
