// SHA-256 by the processor's own instructions (SHA-NI), two messages at a time: one alone waits for
// the result of each instruction before it can begin the next, and leaves half of the unit idle.

#include "processor.hpp"

#if PROVENANCE_X86

#include <immintrin.h>

#define PROVENANCE_SHANI __attribute__((target("sha,sse4.1,ssse3")))
#define PROVENANCE_SHANI_INLINE \
  __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

namespace provenance {
namespace {

// The unit keeps a … h as (a, b, e, f) and (c, d, g, h), highest word first.
struct State {
  __m128i abef, cdgh;
};

PROVENANCE_SHANI_INLINE State load_state(const uint32_t* from) {
  const __m128i abcd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m128i efgh = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 4));
  const __m128i badc = _mm_shuffle_epi32(abcd, 0xb1), hgfe = _mm_shuffle_epi32(efgh, 0x1b);
  return {_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

// The words of a state in order: a … d, e … h.
PROVENANCE_SHANI_INLINE State in_order(State state) {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0xb1);
  return {_mm_blend_epi16(feba, dchg, 0xf0), _mm_alignr_epi8(dchg, feba, 8)};
}

PROVENANCE_SHANI_INLINE __m128i swapped(__m128i x) {
  return _mm_shuffle_epi8(x, _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
}

PROVENANCE_SHANI_INLINE __m128i load(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

PROVENANCE_SHANI_INLINE void four_rounds(State& state, __m128i words, int r) {
  const __m128i sum =
      _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + r)));
  state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, sum);
  state.abef = _mm_sha256rnds2_epu32(state.abef, state.cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

// The next four words of the schedule from the last sixteen, which take the place of the first
// four.
PROVENANCE_SHANI_INLINE __m128i extend(__m128i w0, __m128i w4, __m128i w8, __m128i w12) {
  const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8(w12, w8, 4));
  return _mm_sha256msg2_epu32(sum, w12);
}

// One block each of kMessages messages, as big-endian words.
template <int kMessages>
PROVENANCE_SHANI_INLINE void compress(State* state, __m128i (*w)[4]) {
  State now[kMessages];
  for (int m = 0; m < kMessages; ++m) now[m] = state[m];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    for (int m = 0; m < kMessages; ++m) {
      if (i >= 4)
        w[m][i & 3] = extend(w[m][i & 3], w[m][(i + 1) & 3], w[m][(i + 2) & 3], w[m][(i + 3) & 3]);
      four_rounds(now[m], w[m][i & 3], 4 * i);
    }
  }
  for (int m = 0; m < kMessages; ++m) {
    state[m].abef = _mm_add_epi32(state[m].abef, now[m].abef);
    state[m].cdgh = _mm_add_epi32(state[m].cdgh, now[m].cdgh);
  }
}

template <int kMessages>
PROVENANCE_SHANI_INLINE void compress_blocks(uint32_t* const* states, const uint8_t* const* block,
                                             uint64_t count) {
  State state[kMessages];
  for (int m = 0; m < kMessages; ++m) state[m] = load_state(states[m]);
  for (uint64_t from = 0; from < count * kBlock; from += kBlock) {
    __m128i w[kMessages][4];
    for (int m = 0; m < kMessages; ++m) {
      for (int i = 0; i < 4; ++i) w[m][i] = swapped(load(block[m] + from + 16 * i));
    }
    compress<kMessages>(state, w);
  }
  for (int m = 0; m < kMessages; ++m) {
    const State words = in_order(state[m]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[m]), words.abef);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[m] + 4), words.cdgh);
  }
}

struct Step {
  static constexpr size_t kLanes = 2, kAlone = 1;

  PROVENANCE_SHANI static void together(uint32_t* const* states, const uint8_t* const* block,
                                        uint64_t count) {
    compress_blocks<2>(states, block, count);
  }

  PROVENANCE_SHANI static void alone(uint32_t* state, const uint8_t* block, uint64_t count) {
    compress_blocks<1>(&state, &block, count);
  }
};

bool runs_here() { return Processor::here().sha_ni; }

void regions(const Regions& given) { drive<Step>(RegionQueue(given)); }

// 0x01 ‖ left ‖ right, shifted together in registers.
template <int kMessages>
PROVENANCE_SHANI_INLINE void hash_pairs(const uint8_t* level, uint8_t* out) {
  const __m128i prefix = _mm_set_epi8(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128i end =
      _mm_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<char>(0x80));
  State state[kMessages];
  __m128i w[kMessages][4], last[kMessages];
  for (int m = 0; m < kMessages; ++m) {
    state[m] = load_state(kInitial);
    __m128i before = prefix;
    for (int i = 0; i < 4; ++i) {
      const __m128i here = load(level + 2 * kHash * m + 16 * i);
      w[m][i] = swapped(_mm_alignr_epi8(here, before, 15));
      before = here;
    }
    last[m] = swapped(_mm_alignr_epi8(end, before, 15));
  }
  compress<kMessages>(state, w);
  for (int m = 0; m < kMessages; ++m) {
    w[m][0] = last[m];
    w[m][1] = w[m][2] = _mm_setzero_si128();
    w[m][3] = _mm_set_epi32((1 + 2 * kHash) * 8, 0, 0, 0);
  }
  compress<kMessages>(state, w);
  for (int m = 0; m < kMessages; ++m) {
    const State words = in_order(state[m]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + kHash * m), swapped(words.abef));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + kHash * m + 16), swapped(words.cdgh));
  }
}

PROVENANCE_SHANI void pairs(const uint8_t* level, size_t count, uint8_t* out) {
  for (; count >= 2; count -= 2, level += 2 * 2 * kHash, out += 2 * kHash)
    hash_pairs<2>(level, out);
  if (count != 0) hash_pairs<1>(level, out);
}

}  // namespace

void finish_by_sha_ni(const Lane* lanes, size_t count) { drive<Step>(LaneQueue(lanes, count)); }

extern const Kernel kShaNi = {"sha-ni", runs_here, regions, pairs};

}  // namespace provenance

#endif
