// kernel_server.cpp: the kernel harness as a program, for a processor that this machine only emulates. It reads calls
// from standard input and answers on standard output until the input ends; the other end is tests/csrc/emulated.py.
//
// Everything is little-endian. A text is u32 length and bytes. A request:
//   text device, text op, i32 threads, i32 inputs, i32 outputs, u32 n and n dtypes (u8 code, u8 bits, u16 lanes)
//   u32 n and n blocks of memory: u64 bytes, u8 is written back, the bytes
//   the tensors (inputs, then outputs): dtype, i32 block (-1: none), u64 byte offset, i32 ndim, shape, strides (i64)
//   u32 n and n attributes: i32 kind, i32 count, then u64 (the value's bits) or, for kind 4, count times i64
// An answer: i32 status (as harness_run gives it), text failure, then the bytes of each block that is written back.
// An op without a name asks for the device: i32 status (0, or -3 if there is none), text driver or failure.
#include <cstdio>

#include "kernel_harness.cpp"

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "kernel_server: %s\n", what);
  std::exit(2);
}

void take(void* to, size_t bytes) {
  if (std::fread(to, 1, bytes, stdin) != bytes) give_up("the request ends in its middle");
}
template <class T>
T take() {
  T value;
  take(&value, sizeof value);
  return value;
}
std::string take_text() {
  std::string text(take<uint32_t>(), '\0');
  take(text.data(), text.size());
  return text;
}
void give(const void* from, size_t bytes) {
  if (std::fwrite(from, 1, bytes, stdout) != bytes) give_up("nobody reads the answer");
}
void give_text(const std::string& text) {
  const auto size = static_cast<uint32_t>(text.size());
  give(&size, sizeof size);
  give(text.data(), size);
}

struct Block {
  std::vector<char> bytes;
  bool is_written_back;
};

struct Dims {
  std::vector<int64_t> shape, strides;
};

std::vector<fl_dtype> take_dtypes() {
  std::vector<fl_dtype> dtypes(take<uint32_t>());
  for (fl_dtype& dtype : dtypes) dtype = take<fl_dtype>();
  return dtypes;
}

void answer_call(const fl_backend* backend, const std::string& op) {
  harness_threads(take<int32_t>());
  const auto inputs = take<int32_t>(), outputs = take<int32_t>();
  const std::vector<fl_dtype> dtypes = take_dtypes();
  std::vector<Block> blocks(take<uint32_t>());
  for (Block& block : blocks) {
    block.bytes.resize(take<uint64_t>());
    block.is_written_back = take<uint8_t>() != 0;
    take(block.bytes.data(), block.bytes.size());
  }
  std::vector<fl_tensor> tensors(static_cast<size_t>(inputs + outputs));
  std::vector<Dims> dims(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].dtype = take<fl_dtype>();
    const auto block = take<int32_t>();
    const auto offset = take<uint64_t>();
    tensors[i].memory = block < 0 ? nullptr : reinterpret_cast<fl_memory>(blocks.at(block).bytes.data());
    tensors[i].byte_offset = offset;
    tensors[i].ndim = take<int32_t>();
    for (auto* longs : {&dims[i].shape, &dims[i].strides}) {
      longs->resize(static_cast<size_t>(tensors[i].ndim));
      take(longs->data(), longs->size() * sizeof(int64_t));
    }
    tensors[i].shape = dims[i].shape.data();
    tensors[i].strides = dims[i].strides.data();
  }
  std::vector<fl_attr> attrs(take<uint32_t>());
  std::vector<std::vector<int64_t>> longs(attrs.size());
  for (size_t i = 0; i < attrs.size(); ++i) {
    attrs[i].kind = static_cast<decltype(attrs[i].kind)>(take<int32_t>());
    attrs[i].count = take<int32_t>();
    if (attrs[i].kind == 4) {
      longs[i].resize(static_cast<size_t>(attrs[i].count));
      take(longs[i].data(), longs[i].size() * sizeof(int64_t));
      attrs[i].value.ints = longs[i].data();
    } else {
      take(&attrs[i].value, sizeof(uint64_t));
    }
  }
  fl_call call{};
  call.struct_size = sizeof call;
  call.input_count = inputs, call.output_count = outputs, call.attr_count = static_cast<int32_t>(attrs.size());
  call.inputs = tensors.data(), call.outputs = tensors.data() + inputs, call.attrs = attrs.data();
  const int32_t status = harness_run(backend, op.c_str(), dtypes.data(), static_cast<int32_t>(dtypes.size()), &call);
  give(&status, sizeof status);
  give_text(failure);
  for (const Block& block : blocks)
    if (block.is_written_back) give(block.bytes.data(), block.bytes.size());
}

}  // namespace

int main() {
  for (int first; (first = std::fgetc(stdin)) != EOF;) {
    std::ungetc(first, stdin);
    const std::string device = take_text(), op = take_text();
    const fl_backend* backend = harness_backend(device.c_str());
    if (op.empty() || !backend) {
      const int32_t status = backend ? 0 : -3;
      give(&status, sizeof status);
      give_text(backend ? harness_driver(backend) : failure);
    } else {
      answer_call(backend, op);
    }
    std::fflush(stdout);
  }
  return 0;
}
