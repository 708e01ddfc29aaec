// Shared ownership by a count inside the object: one word, no control block.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace flambeau {

template <class T>
class Ref {
 public:
  constexpr Ref() noexcept = default;
  constexpr Ref(std::nullptr_t) noexcept {}
  // Shares `object`; `adopt` takes over a count that the caller already holds.
  explicit Ref(T* object) noexcept : object_(object) { if (object_) object_->retain(); }
  static Ref adopt(T* object) noexcept { Ref ref; ref.object_ = object; return ref; }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
  Ref(Ref<U> other) noexcept : object_(other.leak()) {}
  Ref& operator=(Ref other) noexcept { std::swap(object_, other.object_); return *this; }
  ~Ref() { if (object_) object_->release(); }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  bool operator==(const Ref& other) const noexcept { return object_ == other.object_; }
  // Gives the count away; the caller owns it now.
  T* leak() noexcept { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

// Base of what Ref holds; Derived::destroy(Derived*) runs when the last reference goes.
template <class Derived>
class RefCounted {
 public:
  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      Derived::destroy(const_cast<Derived*>(static_cast<const Derived*>(this)));
  }
  uint32_t use_count() const noexcept { return count_.load(std::memory_order_relaxed); }

 protected:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;
  ~RefCounted() = default;

 private:
  mutable std::atomic<uint32_t> count_{1};
};

}  // namespace flambeau
