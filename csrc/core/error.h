// The errors that a user meets, and the way their sentences are put together.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/dtype.h"

namespace flambeau {

enum class ErrorKind { Shape, DType, Device, Index, NotImplemented, Value, Type, Memory, Runtime };

// `kind` says which Python class it becomes: ShapeError, DTypeError, DeviceError, IndexError, ...
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind(kind) {}
  ErrorKind kind;
};

class Dims;
void append_text(std::string& to, const Dims& shape);  // (2, 3)
void append_text(std::string& to, double value);       // shortest that reads back the same
inline void append_text(std::string& to, std::string_view text) { to += text; }
inline void append_text(std::string& to, const char* text) { to += text; }
inline void append_text(std::string& to, char c) { to += c; }
inline void append_text(std::string& to, bool value) { to += value ? "true" : "false"; }
inline void append_text(std::string& to, DType dtype) { to += name_of(dtype); }
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>)
void append_text(std::string& to, T value) { to += std::to_string(value); }

// text("matmul: a is ", shape, " and has ", 3, " dimensions")
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string result;
  (append_text(result, parts), ...);
  return result;
}

template <class... Parts>
[[noreturn]] void raise(ErrorKind kind, const Parts&... parts) { throw Error(kind, text(parts...)); }

}  // namespace flambeau
