/* memory.c: the device's memory. The core gets a row number and a generation, which no pointer arithmetic turns
 * into an address: whoever reads this memory without a copy reads nothing. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sample.h"

typedef struct Block {
  unsigned char* bytes; /* NULL: the row is free */
  uint64_t size;
  uint32_t generation;
} Block;

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static Block* table;
static size_t table_size;

fl_status sample_fail(fl_status status, const char* format, ...) {
  char text[kMaxText];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  sample_host->fail(text);
  return status;
}

static fl_memory handle_of(size_t row, uint32_t generation) {
  return (fl_memory)(uintptr_t)(((uint64_t)generation << 32) | (uint64_t)(row + 1));
}

static Block* block_of(fl_memory memory) { /* with the lock held */
  uint64_t bits = (uint64_t)(uintptr_t)memory;
  size_t row = (size_t)(bits & 0xffffffffu) - 1;
  if (row >= table_size || !table[row].bytes || table[row].generation != (uint32_t)(bits >> 32)) return NULL;
  return &table[row];
}

static size_t free_row(void) { /* with the lock held; SIZE_MAX if the table cannot grow */
  for (size_t row = 0; row < table_size; ++row)
    if (!table[row].bytes) return row;
  size_t grown = table_size ? 2 * table_size : 64;
  Block* larger = realloc(table, grown * sizeof *larger);
  if (!larger) return SIZE_MAX;
  for (size_t row = table_size; row < grown; ++row) larger[row] = (Block){NULL, 0, 0};
  size_t row = table_size;
  table = larger;
  table_size = grown;
  return row;
}

fl_status sample_allocate(int32_t device, uint64_t bytes, fl_memory* memory) {
  (void)device;
  if (bytes > ((uint64_t)1 << 40))
    return sample_fail(FL_OUT_OF_MEMORY, "sample: %llu bytes were asked for and the device has none of that size",
                       (unsigned long long)bytes);
  unsigned char* fresh = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0)));
  if (!fresh)
    return sample_fail(FL_OUT_OF_MEMORY, "sample: no memory for %llu bytes", (unsigned long long)bytes);
  pthread_mutex_lock(&table_lock);
  size_t row = free_row();
  if (row != SIZE_MAX) {
    table[row].bytes = fresh;
    table[row].size = bytes;
    table[row].generation = (table[row].generation + 1) & 0x7fffffffu;
    *memory = handle_of(row, table[row].generation);
  }
  pthread_mutex_unlock(&table_lock);
  if (row == SIZE_MAX) {
    free(fresh);
    return sample_fail(FL_OUT_OF_MEMORY, "sample: the table of allocations cannot grow");
  }
  return FL_OK;
}

void sample_release(int32_t device, fl_memory memory) {
  (void)device;
  pthread_mutex_lock(&table_lock);
  Block* block = block_of(memory);
  unsigned char* bytes = NULL;
  if (block) {
    bytes = block->bytes;
    block->bytes = NULL;
  }
  pthread_mutex_unlock(&table_lock);
  if (bytes) sample_enqueue_free(bytes); /* behind the launches that still use it */
}

unsigned char* sample_address(fl_memory memory, uint64_t* size) {
  pthread_mutex_lock(&table_lock);
  Block* block = block_of(memory);
  unsigned char* bytes = block ? block->bytes : NULL;
  if (block && size) *size = block->size;
  pthread_mutex_unlock(&table_lock);
  return bytes;
}
