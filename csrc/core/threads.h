// The threads that kernels run on.
#pragma once

#include <cstdint>

namespace flambeau {

// Runs body(context, begin, end) over [0, n) in pieces of `grain`. The cut depends on n and grain alone. The caller
// takes pieces too, so the work ends even if no other thread gets to run. Nested calls run in the calling thread.
// Safe after fork and from several threads at once. What a body throws ends the program: bodies do not throw.
void parallel_for(int64_t n, int64_t grain, void (*body)(void* context, int64_t begin, int64_t end), void* context);

// Threads that work at once, the caller included. Before it is set: the processors that this process may use.
int32_t thread_count();
void set_thread_count(int32_t count);  // ValueError below 1 or above 1024

// Memory of this thread that lives until the outermost op returns; aligned to 64.
void* scratch(uint64_t bytes);
void release_scratch();

}  // namespace flambeau
