// Runs CUDA kernels on the CPU, one fiber per thread of a block, one block at a time.
//
// Barriers, shuffles and mma are rendezvous of the real participants. Which warp runs next is
// random, and at every barrier half of the warps are starved: they run only when no other can, so
// a missing barrier shows as wrong data. Shared memory starts every block filled with NaN.
// Cannot show: alignment faults, bank conflicts, real tensor-core rounding, speed.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#define EMULATED 1
#define DEVICE static inline
#define __global__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("emulated_shared")))

extern "C" char __start_emulated_shared[], __stop_emulated_shared[];

struct Index { unsigned int x, y, z; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(16) uint4 { unsigned int x, y, z, w; };
typedef unsigned int word;

static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

constexpr int WARP = 32;
constexpr size_t STACK = 256 * 1024;
enum State { READY, BARRIER, COLLECTIVE, DONE };
struct Slot { const void* in; void* out; int kind, extra; };

struct Fiber {
  ucontext_t first;
  jmp_buf saved;
  State state;
  bool started;
  Slot slot;
};

static std::vector<Fiber> fibers;
static std::vector<char> stacks;
static ucontext_t main_first;
static jmp_buf scheduler;
static std::function<void()> body;
static int running;
static std::mt19937 random_numbers(1);
static const char* failure = nullptr;

inline void entry() {
  body();
  fibers[running].state = DONE;
  _longjmp(scheduler, 1);
}

inline void wait(State state) {
  fibers[running].state = state;
  if (_setjmp(fibers[running].saved) == 0) _longjmp(scheduler, 1);
}

inline void resume(int thread) {
  running = thread;
  threadIdx = {static_cast<unsigned int>(thread), 0, 0};
  Fiber& fiber = fibers[thread];
  if (_setjmp(scheduler) != 0) return;
  if (fiber.started) _longjmp(fiber.saved, 1);
  fiber.started = true;
  setcontext(&fiber.first);
}

enum Kind { SHUFFLE, MMA };

struct MmaIn { float* d; const word* a; word b0, b1; };

inline float bf16(word pair, int half) {
  const word bits = half ? pair & 0xffff0000u : pair << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

// Pessimistic tensor core: every addend is cut to 24 bits below the largest, and so is the sum.
inline float mma_sum(const double* addends, int count) {
  double largest = 0.0;
  for (int i = 0; i < count; ++i) {
    if (!std::isfinite(addends[i])) {
      double sum = 0.0;
      for (int j = 0; j < count; ++j) sum += addends[j];
      return static_cast<float>(sum);
    }
    largest = std::fmax(largest, std::fabs(addends[i]));
  }
  if (largest == 0.0) return 0.0f;
  double sum = 0.0;
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 23);
  for (int i = 0; i < count; ++i) sum += std::trunc(addends[i] / unit) * unit;
  if (sum == 0.0) return 0.0f;
  const double last = std::ldexp(1.0, std::ilogb(sum) - 23);
  return static_cast<float>(std::trunc(sum / last) * last);
}

inline void complete_mma(int base) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < WARP; ++lane) {
    const MmaIn& in = *static_cast<const MmaIn*>(fibers[base + lane].slot.in);
    const int quad = lane / 4, place = lane % 4;
    for (int half = 0; half < 2; ++half) {
      for (int r = 0; r < 4; ++r) {
        a[quad + (r % 2) * 8][place * 2 + (r / 2) * 8 + half] = bf16(in.a[r], half);
      }
      b[place * 2 + half][quad] = bf16(in.b0, half);
      b[place * 2 + 8 + half][quad] = bf16(in.b1, half);
    }
  }
  for (int lane = 0; lane < WARP; ++lane) {
    const MmaIn& in = *static_cast<const MmaIn*>(fibers[base + lane].slot.in);
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + (i / 2) * 8, column = (lane % 4) * 2 + i % 2;
      double addends[17];
      addends[16] = in.d[i];
      for (int k = 0; k < 16; ++k) addends[k] = static_cast<double>(a[row][k]) * b[k][column];
      in.d[i] = mma_sum(addends, 17);
    }
  }
}

inline bool complete_warp(int base) {
  const int kind = fibers[base].slot.kind;
  for (int lane = 0; lane < WARP; ++lane) {
    const Fiber& fiber = fibers[base + lane];
    if (fiber.state != COLLECTIVE || fiber.slot.kind != kind) return false;
  }
  if (kind == MMA) {
    complete_mma(base);
  } else {
    for (int lane = 0; lane < WARP; ++lane) {
      Slot& slot = fibers[base + lane].slot;
      std::memcpy(slot.out, fibers[base + (lane ^ slot.extra)].slot.in, 4);
    }
  }
  for (int lane = 0; lane < WARP; ++lane) fibers[base + lane].state = READY;
  return true;
}

inline void collective(const void* in, void* out, int kind, int extra) {
  fibers[running].slot = {in, out, kind, extra};
  wait(COLLECTIVE);
}

// Runs the ready lanes of a warp, in a random order; false if there was none.
inline bool run_warp(int base) {
  bool ran = false;
  const int rotation = static_cast<int>(random_numbers() % WARP);
  for (int i = 0; i < WARP; ++i) {
    const int thread = base + (i + rotation) % WARP;
    if (fibers[thread].state == READY) {
      resume(thread);
      ran = true;
    }
  }
  return complete_warp(base) || ran;
}

inline void run_block(int threads) {
  const int warps = threads / WARP;
  std::memset(__start_emulated_shared, 0xff, __stop_emulated_shared - __start_emulated_shared);
  fibers.resize(threads);
  stacks.resize(threads * STACK);
  for (int i = 0; i < threads; ++i) {
    Fiber& fiber = fibers[i];
    fiber.state = READY;
    fiber.started = false;
    getcontext(&fiber.first);
    fiber.first.uc_stack.ss_sp = stacks.data() + i * STACK;
    fiber.first.uc_stack.ss_size = STACK;
    fiber.first.uc_link = &main_first;
    makecontext(&fiber.first, entry, 0);
  }
  unsigned int starved = random_numbers();
  for (;;) {
    bool ran = false;
    const int rotation = static_cast<int>(random_numbers() % warps);
    for (int pass = 0; pass < 2 && !ran; ++pass) {
      for (int i = 0; i < warps; ++i) {
        const int warp = (i + rotation) % warps;
        if ((starved >> warp & 1u) == static_cast<unsigned int>(pass)) {
          while (run_warp(warp * WARP)) ran = true;
        }
      }
    }
    if (ran) continue;
    int done = 0, waiting = 0;
    for (const Fiber& fiber : fibers) {
      done += fiber.state == DONE;
      waiting += fiber.state == BARRIER;
    }
    if (done == threads) return;
    if (waiting != threads) {
      failure = "threads of a block wait for each other for ever";
      return;
    }
    for (Fiber& fiber : fibers) fiber.state = READY;
    starved = random_numbers();
  }
}

}  // namespace emulation

static inline void __syncthreads() { emulation::wait(emulation::BARRIER); }

template <class T>
static inline T __shfl_xor_sync(unsigned int, T v, int mask) {
  static_assert(sizeof(T) == 4, "shuffles move 32 bits");
  T out;
  emulation::collective(&v, &out, emulation::SHUFFLE, mask);
  return out;
}

template <class To, class From>
static inline To bits_of(From v) {
  To out;
  std::memcpy(&out, &v, sizeof out);
  return out;
}
static inline float __int_as_float(int v) { return bits_of<float>(v); }
static inline float __uint_as_float(unsigned int v) { return bits_of<float>(v); }
static inline unsigned int __float_as_uint(float v) { return bits_of<unsigned int>(v); }
static inline long long __double_as_longlong(double v) { return bits_of<long long>(v); }
static inline double __longlong_as_double(long long v) { return bits_of<double>(v); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }

static inline unsigned int atomicMax(unsigned int* at, unsigned int v) {
  const unsigned int old = *at;
  *at = old > v ? old : v;
  return old;
}
static inline int atomicAdd(int* at, int v) {
  const int old = *at;
  *at = old + v;
  return old;
}

static inline float widen_half(unsigned short v) {
  return static_cast<float>(bits_of<_Float16>(v));
}
static inline word pack_bf16(float low, float high) {
  auto round = [](float v) -> word {
    const word bits = bits_of<word>(v);
    if (v != v) return 0x7fffu;
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  };
  return round(high) << 16 | round(low);
}
static inline void mma_bf16(float (&d)[4], const word (&a)[4], word b0, word b1) {
  emulation::MmaIn in = {d, a, b0, b1};
  emulation::collective(&in, nullptr, emulation::MMA, 0);
}
