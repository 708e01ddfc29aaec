// Opens wgpu-native at run time and looks its functions up.
#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "api.h"

namespace flambeau::webgpu::api {
namespace {

struct Opened {
  std::unique_ptr<Library> library;
  std::string problem;
};

void* open_first(std::string& problem) {
  // Python sets the variable to the installed `wgpu` package's library unless the user did.
  const char* named = std::getenv("FLAMBEAU_WGPU_LIBRARY");
  if (named && *named) {
    if (void* handle = dlopen(named, RTLD_NOW | RTLD_LOCAL)) return handle;
    problem = std::string("webgpu: FLAMBEAU_WGPU_LIBRARY does not open: ") + dlerror();
    return nullptr;
  }
  if (void* handle = dlopen("libwgpu_native.so", RTLD_NOW | RTLD_LOCAL)) return handle;
  problem = "webgpu: no wgpu-native library; pip install wgpu, or set FLAMBEAU_WGPU_LIBRARY to libwgpu_native's path";
  return nullptr;
}

Opened open() {
  Opened opened;
  void* handle = open_first(opened.problem);
  if (!handle) return opened;
  auto found = std::make_unique<Library>();
  if (auto* version = reinterpret_cast<uint32_t (*)()>(dlsym(handle, "wgpuGetVersion"))) {
    found->version = version();
    if (uint32_t major = found->version >> 24; major != kMajorVersion) {
      opened.problem = "webgpu: the wgpu-native library is release " + std::to_string(major) + ", this build is for release " +
                       std::to_string(kMajorVersion) + ": pip install wgpu==0.32.0";
      return opened;
    }
  }
#define FLAMBEAU_LOOK_UP(result, name, parameters)                                        \
  found->name = reinterpret_cast<result(*) parameters>(dlsym(handle, "wgpu" #name));      \
  if (!found->name) {                                                                     \
    opened.problem = "webgpu: the wgpu-native library has no function wgpu" #name         \
                     "; this build is for release 29: pip install wgpu==0.32.0";          \
    return opened;                                                                        \
  }
  FLAMBEAU_WGPU_FUNCTIONS(FLAMBEAU_LOOK_UP)
#undef FLAMBEAU_LOOK_UP
  opened.library = std::move(found);
  return opened;
}

} // namespace

const Library* library(const char** problem) {
  static const Opened opened = open();
  *problem = opened.problem.c_str();
  return opened.library.get();
}

} // namespace flambeau::webgpu::api
