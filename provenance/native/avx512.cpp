// SHA-256 of sixteen messages side by side, a lane of an AVX-512 register each.
//
// Short messages of any length are loaded without a branch: a masked load takes of each block the
// bytes that are there (those masked out are not read), over a row that holds the padding.

#include "processor.hpp"

#if PROVENANCE_X86

#include <immintrin.h>

#define PROVENANCE_AVX512 __attribute__((target("avx512f,avx512bw,bmi2")))
#define PROVENANCE_AVX512_INLINE \
  __attribute__((target("avx512f,avx512bw,bmi2"), always_inline)) static inline

namespace provenance {

void finish_by_sha_ni(const Lane* lanes, size_t count);

namespace {

using Word = __m512i;

constexpr int kLanes = 16;

// So many messages that two at a time are sooner through by SHA-NI than sixteen at a time here.
constexpr int kFew = 10;

PROVENANCE_AVX512_INLINE Word add(Word x, Word y) { return _mm512_add_epi32(x, y); }
PROVENANCE_AVX512_INLINE Word exclusive(Word x, Word y, Word z) {
  return _mm512_ternarylogic_epi32(x, y, z, 0x96);
}
PROVENANCE_AVX512_INLINE Word big0(Word x) {
  return exclusive(_mm512_ror_epi32(x, 2), _mm512_ror_epi32(x, 13), _mm512_ror_epi32(x, 22));
}
PROVENANCE_AVX512_INLINE Word big1(Word x) {
  return exclusive(_mm512_ror_epi32(x, 6), _mm512_ror_epi32(x, 11), _mm512_ror_epi32(x, 25));
}
PROVENANCE_AVX512_INLINE Word small0(Word x) {
  return exclusive(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
}
PROVENANCE_AVX512_INLINE Word small1(Word x) {
  return exclusive(_mm512_ror_epi32(x, 17), _mm512_ror_epi32(x, 19), _mm512_srli_epi32(x, 10));
}
PROVENANCE_AVX512_INLINE Word choose(Word x, Word y, Word z) {
  return _mm512_ternarylogic_epi32(x, y, z, 0xca);
}
PROVENANCE_AVX512_INLINE Word majority(Word x, Word y, Word z) {
  return _mm512_ternarylogic_epi32(x, y, z, 0xe8);
}
PROVENANCE_AVX512_INLINE Word constant(int round) {
  return _mm512_set1_epi32(static_cast<int>(kRound[round]));
}
PROVENANCE_AVX512_INLINE Word every(uint32_t word) {
  return _mm512_set1_epi32(static_cast<int>(word));
}

PROVENANCE_AVX512_INLINE Word swapped(Word x) {
  return _mm512_shuffle_epi8(x, _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
}

// Sixteen rows of sixteen words: rows become columns.
PROVENANCE_AVX512_INLINE void transpose(Word* row) {
  Word pair[16], four[16];
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    four[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    const Word even = _mm512_shuffle_i32x4(four[i], four[i + 4], 0x88);
    const Word odd = _mm512_shuffle_i32x4(four[i], four[i + 4], 0xdd);
    const Word even_after = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0x88);
    const Word odd_after = _mm512_shuffle_i32x4(four[i + 8], four[i + 12], 0xdd);
    row[i] = _mm512_shuffle_i32x4(even, even_after, 0x88);
    row[i + 4] = _mm512_shuffle_i32x4(odd, odd_after, 0x88);
    row[i + 8] = _mm512_shuffle_i32x4(even, even_after, 0xdd);
    row[i + 12] = _mm512_shuffle_i32x4(odd, odd_after, 0xdd);
  }
}

// The columns of a state as sixteen hashes: those of lanes 4g + k stand as halves of 16 bytes at
// 64k + 16g and 256 + 64k + 16g.
PROVENANCE_AVX512_INLINE void store_halves(const Word* state, uint8_t* to) {
  for (int half = 0; half < 2; ++half) {
    const Word* row = state + 4 * half;
    const Word ab = _mm512_unpacklo_epi32(row[0], row[1]),
               cd = _mm512_unpacklo_epi32(row[2], row[3]);
    const Word ef = _mm512_unpackhi_epi32(row[0], row[1]),
               gh = _mm512_unpackhi_epi32(row[2], row[3]);
    const Word lanes[4] = {_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd),
                           _mm512_unpacklo_epi64(ef, gh), _mm512_unpackhi_epi64(ef, gh)};
    for (int k = 0; k < 4; ++k) _mm512_storeu_si512(to + 256 * half + 64 * k, swapped(lanes[k]));
  }
}

PROVENANCE_AVX512_INLINE void copy_hash(const uint8_t* halves, int lane, uint8_t* to) {
  const uint8_t* from = halves + 64 * (lane & 3) + 16 * (lane >> 2);
  std::memcpy(to, from, 16);
  std::memcpy(to + 16, from + 256, 16);
}

// The 64 bytes at `kPadding.bytes + 64 - n` hold 0x80 at n, -63 ≤ n ≤ 64, if that is among them.
struct Padding {
  alignas(64) uint8_t bytes[192];
  constexpr Padding() : bytes() { bytes[64] = 0x80; }
};
constexpr Padding kPadding;

// Sixteen messages on their way.
struct Batch {
  alignas(64) const uint8_t* next[kLanes];  // the next block; one byte early for that of a leaf
  alignas(64) int64_t rest[kLanes];         // bytes of the region from there on, below 0 behind it
  alignas(64) uint64_t left[kLanes];        // blocks to go; 0 for a lane without a message
  alignas(64) uint32_t bits_high[kLanes], bits_low[kLanes];  // of the whole message
  uint8_t* out[kLanes];
  uint32_t fresh;  // lanes at their first block

  void begin(int lane, const Lane& message) {
    next[lane] = message.data - message.prefix;
    rest[lane] = static_cast<int64_t>(message.size + message.prefix);
    left[lane] = message.left;
    const uint64_t bits = (message.size + message.prefix) * 8;
    bits_high[lane] = static_cast<uint32_t>(bits >> 32);
    bits_low[lane] = static_cast<uint32_t>(bits);
    out[lane] = message.out;
    fresh |= 1u << lane;
    // What follows in the buffer is what some lane takes soon. A prefetch reads nothing.
    const char* ahead = reinterpret_cast<const char*>(message.data) + 4096;
    for (int at = 0; at < 256; at += 64) _mm_prefetch(ahead + at, _MM_HINT_T0);
  }

  void stop(int lane) {
    next[lane] = kPadding.bytes;
    rest[lane] = 0;
    left[lane] = 0;
  }
};

PROVENANCE_AVX512_INLINE uint32_t lanes_where(const uint64_t* left, uint64_t value) {
  const Word wanted = _mm512_set1_epi64(static_cast<long long>(value));
  return _mm512_cmpeq_epi64_mask(_mm512_load_si512(left), wanted) |
         static_cast<uint32_t>(_mm512_cmpeq_epi64_mask(_mm512_load_si512(left + 8), wanted)) << 8;
}

template <typename T>
PROVENANCE_AVX512_INLINE void step(T* values, long long by) {
  for (int i = 0; i < kLanes; i += 8) {
    const Word value = _mm512_load_si512(values + i);
    _mm512_store_si512(values + i, _mm512_add_epi64(value, _mm512_set1_epi64(by)));
  }
}

// Compress the next block of every lane; return the lanes that are through.
PROVENANCE_AVX512_INLINE uint32_t compress_next(Batch& batch, Word* state, uint64_t prefix) {
  const uint32_t last = lanes_where(batch.left, 1);
  Word w[16];
  for (int i = 0; i < kLanes; ++i) {
    const int64_t rest = batch.rest[i];
    const int64_t end = rest > 64 ? 64 : rest < -63 ? -63 : rest;
    const Word padding = _mm512_loadu_si512(kPadding.bytes + 64 - end);
    const uint64_t first = batch.fresh >> i & prefix;
    const __mmask64 mask = _bzhi_u64(~0ull, end < 0 ? 0 : static_cast<uint64_t>(end)) & ~first;
    w[i] = _mm512_mask_loadu_epi8(padding, mask, batch.next[i]);
  }
  for (int i = 0; i < 16; ++i) w[i] = swapped(w[i]);
  transpose(w);
  w[14] = _mm512_mask_mov_epi32(w[14], static_cast<__mmask16>(last),
                                _mm512_load_si512(batch.bits_high));
  w[15] =
      _mm512_mask_mov_epi32(w[15], static_cast<__mmask16>(last), _mm512_load_si512(batch.bits_low));
  for (int i = 0; i < 8; ++i) {
    state[i] =
        _mm512_mask_mov_epi32(state[i], static_cast<__mmask16>(batch.fresh), every(kInitial[i]));
  }
  batch.fresh = 0;
  PROVENANCE_COMPRESS(state, w);
  step(batch.next, 64);
  step(batch.rest, -64);
  step(batch.left, -1);
  return last;
}

bool runs_here() { return Processor::here().avx512; }

// Give what is still on its way to SHA-NI.
PROVENANCE_AVX512 void hand_over(const Batch& batch, const Word* state, uint32_t active,
                                 const Lane* messages) {
  alignas(64) uint32_t words[8][kLanes];
  for (int i = 0; i < 8; ++i) _mm512_store_si512(words[i], state[i]);
  Lane rest[kLanes];
  size_t count = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((active >> lane & 1) == 0) continue;
    Lane& message = rest[count++];
    message = messages[lane];
    message.advance(message.left - batch.left[lane]);
    if ((batch.fresh >> lane & 1) != 0) continue;
    for (int i = 0; i < 8; ++i) message.state[i] = words[i][lane];
  }
  finish_by_sha_ni(rest, count);
}

PROVENANCE_AVX512 void regions(const Regions& given) {
  const int few = Processor::here().sha_ni ? kFew : 0;
  RegionQueue queue(given);
  Batch batch;
  batch.fresh = 0;
  Lane messages[kLanes];
  uint32_t active = 0;  // a bit for each lane
  for (int lane = 0; lane < kLanes; ++lane) {
    if (queue.next(messages[lane])) {
      batch.begin(lane, messages[lane]);
      active |= 1u << lane;
    } else {
      batch.stop(lane);
    }
  }
  Word state[8] = {};
  while (__builtin_popcount(active) > few) {
    uint32_t done = compress_next(batch, state, given.leaves);
    if (done == 0) continue;
    alignas(64) uint8_t halves[kLanes * kHash];
    store_halves(state, halves);
    for (; done != 0; done &= done - 1) {
      const int lane = __builtin_ctz(done);
      copy_hash(halves, lane, batch.out[lane]);
      if (queue.next(messages[lane])) {
        batch.begin(lane, messages[lane]);
      } else {
        batch.stop(lane);
        active &= ~(1u << lane);
      }
    }
  }
  if (active != 0) hand_over(batch, state, active, messages);
}

PROVENANCE_AVX512 void pairs(const uint8_t* level, size_t count, uint8_t* out) {
  // The byte before each pair is not read: there the prefix stands.
  const Word prefix = _mm512_maskz_set1_epi8(1, 1);
  const Word last_words = _mm512_add_epi32(
      _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                         every(64)),
      every(60));
  for (; count >= kLanes; count -= kLanes, level += kLanes * 64, out += kLanes * kHash) {
    for (int i = 0; i < kLanes; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(level + 2048 + 64 * i), _MM_HINT_T0);
    }
    Word state[8], w[16];
    for (int i = 0; i < 8; ++i) state[i] = every(kInitial[i]);
    for (int i = 0; i < kLanes; ++i) {
      w[i] = swapped(_mm512_mask_loadu_epi8(prefix, ~1ull, level + 64 * i - 1));
    }
    const Word ends = _mm512_i32gather_epi32(last_words, level, 1);
    transpose(w);
    PROVENANCE_COMPRESS(state, w);
    w[0] = _mm512_or_si512(_mm512_slli_epi32(_mm512_srli_epi32(ends, 24), 24), every(0x00800000));
    for (int i = 1; i < 15; ++i) w[i] = _mm512_setzero_si512();
    w[15] = every((1 + 2 * kHash) * 8);
    PROVENANCE_COMPRESS(state, w);
    alignas(64) uint8_t halves[kLanes * kHash];
    store_halves(state, halves);
    for (int lane = 0; lane < kLanes; ++lane) copy_hash(halves, lane, out + kHash * lane);
  }
  (Processor::here().sha_ni ? kShaNi : kPortable).pairs(level, count, out);
}

}  // namespace

extern const Kernel kAvx512 = {"avx-512", runs_here, regions, pairs};

}  // namespace provenance

#endif
