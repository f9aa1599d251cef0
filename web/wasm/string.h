/* What bitstream/native/entropy.c takes of string.h: clang turns these into wasm's own instructions. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
