// SHA-256 in plain C++, one message at a time: for every processor.

#include "sha256.hpp"

namespace provenance {
namespace {

using Word = uint32_t;

inline Word add(Word x, Word y) { return x + y; }
inline Word right(Word x, int n) { return (x >> n) | (x << (32 - n)); }
inline Word big0(Word x) { return right(x, 2) ^ right(x, 13) ^ right(x, 22); }
inline Word big1(Word x) { return right(x, 6) ^ right(x, 11) ^ right(x, 25); }
inline Word small0(Word x) { return right(x, 7) ^ right(x, 18) ^ (x >> 3); }
inline Word small1(Word x) { return right(x, 17) ^ right(x, 19) ^ (x >> 10); }
inline Word choose(Word x, Word y, Word z) { return z ^ (x & (y ^ z)); }
inline Word majority(Word x, Word y, Word z) { return (x & y) ^ (z & (x ^ y)); }
inline Word constant(int round) { return kRound[round]; }

struct Step {
  static constexpr size_t kLanes = 1, kAlone = 0;

  static void alone(uint32_t* state, const uint8_t* block, uint64_t count) {
    compress_portably(state, block, count);
  }

  static void together(uint32_t* const* state, const uint8_t* const* block, uint64_t count) {
    alone(state[0], block[0], count);
  }
};

bool runs_here() { return true; }

void regions(const Regions& given) { drive<Step>(RegionQueue(given)); }

void pairs(const uint8_t* level, size_t count, uint8_t* out) {
  uint8_t blocks[2 * kBlock];
  frame_pair(blocks);
  for (; count != 0; --count, level += 2 * kHash, out += kHash) {
    fill_pair(blocks, level);
    uint32_t state[8];
    std::memcpy(state, kInitial, sizeof state);
    compress_portably(state, blocks, 2);
    for (int i = 0; i < 8; ++i) store_word(out + 4 * i, state[i]);
  }
}

}  // namespace

void compress_portably(uint32_t* state, const uint8_t* block, uint64_t count) {
  for (; count != 0; --count, block += kBlock) {
    Word w[16];
    for (int i = 0; i < 16; ++i) w[i] = load_word(block + 4 * i);
    PROVENANCE_COMPRESS(state, w);
  }
}

extern const Kernel kPortable = {"portable", runs_here, regions, pairs};

}  // namespace provenance
