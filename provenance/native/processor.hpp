// What the processor can run, and what its operating system keeps across a switch of tasks.

#pragma once

#include "sha256.hpp"

#if PROVENANCE_X86

#include <cpuid.h>

namespace provenance {

struct Processor {
  bool sha_ni = false, avx2 = false, avx512 = false;

  Processor() {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    const bool sse = (c >> 9 & 1) && (c >> 19 & 1);  // SSSE3, SSE4.1
    const bool saves = c >> 27 & 1;                  // OSXSAVE
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    sha_ni = sse && (b >> 29 & 1);
    if (!saves) return;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    avx2 = (low & 0x06) == 0x06 && (b >> 5 & 1);  // registers xmm, ymm
    avx512 =
        (low & 0xe6) == 0xe6 && (b >> 16 & 1) && (b >> 30 & 1) && (b >> 8 & 1);  // zmm; F, BW, BMI2
  }

  static const Processor& here() {
    static const Processor processor;
    return processor;
  }
};

}  // namespace provenance

#endif
