// A libcuda whose one device is the emulator, so cuda_ext's own driver and launch code run on CPU
// memory. Build with -DKERNELS='"path of nearest.cu"' and the kernel's own flags.
#include "emulator.h"
#include KERNELS

#include <string>
#include <utility>

namespace {

typedef void (*Runner)(void** arguments);

template <class... A, size_t... I>
void apply(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<A*>(arguments[I])...);
}
template <class... A>
void apply(void (*kernel)(A...), void** arguments) {
  apply(kernel, arguments, std::index_sequence_for<A...>());
}

const std::pair<const char*, Runner> RUNNERS[] = {
    {"bibcodec_prepare", [](void** a) { apply(bibcodec_prepare, a); }},
    {"bibcodec_filter", [](void** a) { apply(bibcodec_filter, a); }},
    {"bibcodec_finish", [](void** a) { apply(bibcodec_finish, a); }},
    {"bibcodec_rescan", [](void** a) { apply(bibcodec_rescan, a); }},
};

constexpr int MULTIPROCESSORS = 2;
int depth_of_contexts = 0;

}  // namespace

extern "C" {

void emulation_seed(unsigned int seed) { emulation::random_numbers.seed(seed); }
float emulation_bound(float norm, float length, float spread, int depth) {
  return error_bound(norm, length, spread, depth);
}

int cuInit(unsigned int) { return 0; }
int cuDriverGetVersion(int* version) { return *version = 13020, 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? 0 : 101; }
int cuDeviceGetName(char* name, int size, int) { return snprintf(name, size, "emulated"), 0; }
int cuDeviceGetAttribute(int* value, int which, int) {
  return *value = which == 75 ? 8 : which == 76 ? 0 : which == 16 ? MULTIPROCESSORS : -1, 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &depth_of_contexts, 0; }
int cuCtxPushCurrent_v2(void*) { return ++depth_of_contexts, 0; }
int cuCtxPopCurrent_v2(void**) { return --depth_of_contexts, 0; }
int cuModuleLoadData(void** module, const void* image) {
  return *module = &depth_of_contexts, image == nullptr ? 200 : 0;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  for (const auto& runner : RUNNERS) {
    if (std::string(name) == runner.first) return *function = (void*)runner.second, 0;
  }
  return 500;
}
int cuGetErrorString(int error, const char** text) {
  *text = error == 719 ? emulation::failure : error == 500 ? "named symbol not found" : "invalid";
  return 0;
}

int cuLaunchKernel(void* function, unsigned int x, unsigned int y, unsigned int z, unsigned int bx,
                   unsigned int, unsigned int, unsigned int, void*, void** arguments, void**) {
  if (depth_of_contexts != 1) return 201;
  gridDim = {x, y, z};
  blockDim = {bx, 1, 1};
  emulation::failure = nullptr;
  emulation::body = [=] { reinterpret_cast<Runner>(function)(arguments); };
  for (blockIdx.y = 0; blockIdx.y < y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < x; ++blockIdx.x) {
      emulation::run_block(static_cast<int>(bx));
      if (emulation::failure != nullptr) return 719;
    }
  }
  return 0;
}

}  // extern "C"
