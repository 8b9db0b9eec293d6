// SHA-256 of eight messages side by side, a lane of an AVX2 register each.

#include "processor.hpp"

#if PROVENANCE_X86

#include <immintrin.h>

#define PROVENANCE_AVX2 __attribute__((target("avx2")))
#define PROVENANCE_AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline

namespace provenance {
namespace {

using Word = __m256i;

PROVENANCE_AVX2_INLINE Word add(Word x, Word y) { return _mm256_add_epi32(x, y); }
PROVENANCE_AVX2_INLINE Word exclusive(Word x, Word y) { return _mm256_xor_si256(x, y); }
PROVENANCE_AVX2_INLINE Word shift(Word x, int n) { return _mm256_srli_epi32(x, n); }
PROVENANCE_AVX2_INLINE Word right(Word x, int n) {
  return _mm256_or_si256(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - n));
}
PROVENANCE_AVX2_INLINE Word big0(Word x) {
  return exclusive(exclusive(right(x, 2), right(x, 13)), right(x, 22));
}
PROVENANCE_AVX2_INLINE Word big1(Word x) {
  return exclusive(exclusive(right(x, 6), right(x, 11)), right(x, 25));
}
PROVENANCE_AVX2_INLINE Word small0(Word x) {
  return exclusive(exclusive(right(x, 7), right(x, 18)), shift(x, 3));
}
PROVENANCE_AVX2_INLINE Word small1(Word x) {
  return exclusive(exclusive(right(x, 17), right(x, 19)), shift(x, 10));
}
PROVENANCE_AVX2_INLINE Word choose(Word x, Word y, Word z) {
  return exclusive(z, _mm256_and_si256(x, exclusive(y, z)));
}
PROVENANCE_AVX2_INLINE Word majority(Word x, Word y, Word z) {
  return _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)));
}
PROVENANCE_AVX2_INLINE Word constant(int round) {
  return _mm256_set1_epi32(static_cast<int>(kRound[round]));
}

// Eight rows of eight words: rows become columns.
PROVENANCE_AVX2_INLINE void transpose(Word* row) {
  Word pair[8], four[8];
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    row[i] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
    row[i + 4] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
  }
}

PROVENANCE_AVX2_INLINE Word swapped(Word x) {
  return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_set_epi8(
                                    12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)));
}

PROVENANCE_AVX2_INLINE Word load(const void* from) {
  return _mm256_loadu_si256(static_cast<const Word*>(from));
}

PROVENANCE_AVX2_INLINE void store(void* to, Word x) {
  _mm256_storeu_si256(static_cast<Word*>(to), x);
}

// One block of each message into the columns of `state`.
PROVENANCE_AVX2_INLINE void compress(Word* state, const uint8_t* const* block, uint64_t from) {
  Word w[16];
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 8; ++i) w[8 * half + i] = swapped(load(block[i] + from + 32 * half));
    transpose(w + 8 * half);
  }
  PROVENANCE_COMPRESS(state, w);
}

struct Step {
  // A step costs about what three compressions in plain C++ do.
  static constexpr size_t kLanes = 8, kAlone = 3;

  PROVENANCE_AVX2 static void together(uint32_t* const* states, const uint8_t* const* block,
                                       uint64_t count) {
    Word state[8];
    for (int i = 0; i < 8; ++i) state[i] = load(states[i]);
    transpose(state);
    for (uint64_t from = 0; from < count * kBlock; from += kBlock) compress(state, block, from);
    transpose(state);
    for (int i = 0; i < 8; ++i) store(states[i], state[i]);
  }

  static void alone(uint32_t* state, const uint8_t* block, uint64_t count) {
    compress_portably(state, block, count);
  }
};

bool runs_here() { return Processor::here().avx2; }

void regions(const Regions& given) { drive<Step>(RegionQueue(given)); }

PROVENANCE_AVX2 void pairs(const uint8_t* level, size_t count, uint8_t* out) {
  uint8_t blocks[8][2 * kBlock];
  const uint8_t* block[8];
  for (int i = 0; i < 8; ++i) {
    frame_pair(blocks[i]);
    block[i] = blocks[i];
  }
  for (; count >= 8; count -= 8, level += 8 * 2 * kHash, out += 8 * kHash) {
    for (int i = 0; i < 8; ++i) fill_pair(blocks[i], level + 2 * kHash * i);
    Word state[8];
    for (int i = 0; i < 8; ++i) state[i] = _mm256_set1_epi32(static_cast<int>(kInitial[i]));
    compress(state, block, 0);
    compress(state, block, kBlock);
    transpose(state);
    for (int i = 0; i < 8; ++i) store(out + kHash * i, swapped(state[i]));
  }
  kPortable.pairs(level, count, out);
}

}  // namespace

extern const Kernel kAvx2 = {"avx2", runs_here, regions, pairs};

}  // namespace provenance

#endif
