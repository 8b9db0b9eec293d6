// SHA-256 (FIPS 180-4) of many messages at once, for the trees of RFC 9162.
//
//   regions   SHA-256(region), or SHA-256(0x00 ‖ region) for leaves, of stretches of one buffer
//   pairs     SHA-256(0x01 ‖ left ‖ right) of neighbours in a level
//
// A kernel does both. Each carries some messages side by side, in lanes; a lane that is through
// takes the next message, so none is idle while there is work. All give the same bytes, and none
// reads a byte outside of the regions it was given.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__GNUC__) && defined(__x86_64__)
#define PROVENANCE_X86 1
#else
#define PROVENANCE_X86 0
#endif

namespace provenance {

constexpr size_t kHash = 32;   // bytes of a hash
constexpr size_t kBlock = 64;  // bytes that one compression takes

constexpr uint32_t kInitial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

alignas(64) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// Consecutive stretches of one buffer: number i is data[offsets[i]] … data[offsets[i + 1] - 1].
struct Regions {
  const uint8_t* data;
  const uint64_t* offsets;  // count + 1, ascending
  size_t count;
  bool leaves;   // each message is 0x00 ‖ region, else the region
  uint8_t* out;  // 32 · count bytes
};

struct Kernel {
  const char* name;
  bool (*runs_here)();
  void (*regions)(const Regions&);
  // 64 · count bytes → 32 · count bytes, which lie elsewhere
  void (*pairs)(const uint8_t* level, size_t count, uint8_t* out);
};

extern const Kernel kPortable;
#if PROVENANCE_X86
extern const Kernel kAvx2;
extern const Kernel kShaNi;
extern const Kernel kAvx512;
#endif

// --- a message on its way ------------------------------------------------------------------------

// Blocks of a message of `size` bytes: one byte 0x80 and eight of length are added.
inline uint64_t blocks_of(uint64_t size) {
  return size / kBlock + (size % kBlock + 9 > kBlock ? 2 : 1);
}

inline uint32_t big_endian(uint32_t word) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return word;
#elif defined(__GNUC__)
  return __builtin_bswap32(word);
#else
  return (word >> 24) | ((word >> 8) & 0xff00) | ((word << 8) & 0xff0000) | (word << 24);
#endif
}

inline uint32_t load_word(const uint8_t* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return big_endian(word);
}

inline void store_word(uint8_t* to, uint32_t word) {
  word = big_endian(word);
  std::memcpy(to, &word, sizeof word);
}

// One message: what it reads, how far it is.
struct Lane {
  const uint8_t* data;  // the region; before it stands `prefix` bytes 0x00
  uint64_t size;        // of the region
  uint64_t prefix;      // 0 or 1
  uint64_t at;          // where in prefix ‖ region the next block begins
  uint64_t left;        // blocks to go
  uint8_t* out;
  uint32_t state[8];

  void begin(const uint8_t* region, uint64_t region_size, bool leaf, uint8_t* hash) {
    data = region;
    size = region_size;
    prefix = leaf ? 1 : 0;
    at = 0;
    left = blocks_of(size + prefix);
    out = hash;
    std::memcpy(state, kInitial, sizeof state);
  }

  // How many blocks from here on are whole within the region, and can be read where they lie.
  uint64_t whole() const {
    return at < prefix || at > size + prefix ? 0 : (size + prefix - at) / kBlock;
  }

  const uint8_t* position() const { return data + (at - prefix); }

  void advance(uint64_t blocks) {
    at += blocks * kBlock;
    left -= blocks;
  }

  // Write the next block with prefix and padding, 64 bytes.
  void write_block(uint8_t* block) const {
    std::memset(block, 0, kBlock);
    const uint64_t shift = at < prefix ? prefix : 0;  // of the block's bytes that are prefix
    const uint64_t from = at + shift - prefix;
    if (from <= size) {
      const uint64_t room = kBlock - shift;
      const uint64_t count = size - from < room ? size - from : room;
      if (count != 0) std::memcpy(block + shift, data + from, count);
      if (count < room) block[shift + count] = 0x80;
    }
    if (left == 1) {
      const uint64_t bits = (size + prefix) * 8;
      store_word(block + 56, static_cast<uint32_t>(bits >> 32));
      store_word(block + 60, static_cast<uint32_t>(bits));
    }
  }

  void finish() const {
    for (int i = 0; i < 8; ++i) store_word(out + 4 * i, state[i]);
  }
};

// Hands out regions, one a call.
class RegionQueue {
 public:
  explicit RegionQueue(const Regions& regions) : regions_(regions) {}

  bool next(Lane& lane) {
    if (taken_ == regions_.count) return false;
    const uint64_t from = regions_.offsets[taken_];
    lane.begin(regions_.data + from, regions_.offsets[taken_ + 1] - from, regions_.leaves,
               regions_.out + taken_ * kHash);
    ++taken_;
    return true;
  }

 private:
  const Regions& regions_;
  size_t taken_ = 0;
};

// Hands out messages that another kernel began.
class LaneQueue {
 public:
  LaneQueue(const Lane* lanes, size_t count) : lanes_(lanes), count_(count) {}

  bool next(Lane& lane) {
    if (taken_ == count_) return false;
    lane = lanes_[taken_++];
    return true;
  }

 private:
  const Lane* lanes_;
  size_t count_, taken_ = 0;
};

// `Step::together(state, block, count)` compresses `count` consecutive blocks of kLanes messages;
// `Step::alone` those of one. The last few, too few to be worth a step together, go alone.
template <typename Step, typename Queue>
void drive(Queue queue) {
  constexpr size_t kLanes = Step::kLanes;
  Lane lanes[kLanes];
  size_t active = 0;
  while (active < kLanes && queue.next(lanes[active])) ++active;

  uint8_t scratch[kLanes][kBlock];
  uint32_t* states[kLanes];
  const uint8_t* blocks[kLanes];
  while (active > Step::kAlone) {
    uint64_t count = ~uint64_t{0};
    for (size_t i = 0; i < active; ++i) {
      const uint64_t whole = lanes[i].whole();
      if (whole < count) count = whole;
    }
    for (size_t i = 0; i < kLanes; ++i) {
      if (i < active) {
        states[i] = lanes[i].state;
        if (count != 0 || lanes[i].whole() != 0) {
          blocks[i] = lanes[i].position();
        } else {
          lanes[i].write_block(scratch[i]);
          blocks[i] = scratch[i];
        }
      } else {  // the last messages leave lanes over: those hash anything, and nobody looks
        std::memcpy(lanes[i].state, kInitial, sizeof kInitial);
        states[i] = lanes[i].state;
        blocks[i] = blocks[0];
      }
    }
    if (count == 0) count = 1;
    Step::together(states, blocks, count);
    for (size_t i = 0; i < active;) {
      lanes[i].advance(count);
      if (lanes[i].left == 0) {
        lanes[i].finish();
        if (!queue.next(lanes[i])) {
          // The last lane moves here; it still has to be advanced, unless it is this one.
          lanes[i] = lanes[--active];
          continue;
        }
      }
      ++i;
    }
  }
  for (size_t i = 0; i < active; ++i) {
    Lane& lane = lanes[i];
    do {
      if (const uint64_t whole = lane.whole()) {
        Step::alone(lane.state, lane.position(), whole);
        lane.advance(whole);
      }
      lane.write_block(scratch[0]);
      Step::alone(lane.state, scratch[0], 1);
      lane.advance(1);
    } while (lane.left != 0);
    lane.finish();
  }
}

// The two blocks of 0x01 ‖ left ‖ right: what is the same for every pair, then the pair, 64 bytes.
inline void frame_pair(uint8_t* blocks) {
  std::memset(blocks, 0, 2 * kBlock);
  blocks[0] = 0x01;
  blocks[1 + 2 * kHash] = 0x80;
  store_word(blocks + 2 * kBlock - 4, (1 + 2 * kHash) * 8);
}

inline void fill_pair(uint8_t* blocks, const uint8_t* pair) {
  std::memcpy(blocks + 1, pair, 2 * kHash);
}

// Compress `count` consecutive blocks of one message, in plain C++.
void compress_portably(uint32_t* state, const uint8_t* block, uint64_t count);

}  // namespace provenance

// --- the compression function --------------------------------------------------------------------

// 64 rounds over `state` (a … h) and `w`, 16 words that are used up. A Word is one lane's uint32_t
// or a vector of many; the operations, `constant` (K of one round) among them, are found where this
// is used: a template could not take over the instruction set of the function around it.
#define PROVENANCE_ROUND(a, b, c, d, e, f, g, h, i)    \
  do {                                                 \
    const Word t = add(h, add(w[i], constant(r + i))); \
    const Word u = add(big1(e), choose(e, f, g));      \
    const Word v = add(big0(a), majority(a, b, c));    \
    d = add(add(d, t), u);                             \
    h = add(add(t, v), u);                             \
  } while (false)

#define PROVENANCE_EXTEND(i)               \
  w[i] = add(add(w[i], w[((i) + 9) & 15]), \
             add(small0(w[((i) + 1) & 15]), small1(w[((i) + 14) & 15])))

#define PROVENANCE_8_ROUNDS(i, EXTEND)             \
  EXTEND(i + 0);                                   \
  PROVENANCE_ROUND(a, b, c, d, e, f, g, h, i + 0); \
  EXTEND(i + 1);                                   \
  PROVENANCE_ROUND(h, a, b, c, d, e, f, g, i + 1); \
  EXTEND(i + 2);                                   \
  PROVENANCE_ROUND(g, h, a, b, c, d, e, f, i + 2); \
  EXTEND(i + 3);                                   \
  PROVENANCE_ROUND(f, g, h, a, b, c, d, e, i + 3); \
  EXTEND(i + 4);                                   \
  PROVENANCE_ROUND(e, f, g, h, a, b, c, d, i + 4); \
  EXTEND(i + 5);                                   \
  PROVENANCE_ROUND(d, e, f, g, h, a, b, c, i + 5); \
  EXTEND(i + 6);                                   \
  PROVENANCE_ROUND(c, d, e, f, g, h, a, b, i + 6); \
  EXTEND(i + 7);                                   \
  PROVENANCE_ROUND(b, c, d, e, f, g, h, a, i + 7)

#define PROVENANCE_AS_IT_IS(i)

#define PROVENANCE_COMPRESS(state, w)                                                      \
  do {                                                                                     \
    Word a = state[0], b = state[1], c = state[2], d = state[3];                           \
    Word e = state[4], f = state[5], g = state[6], h = state[7];                           \
    int r = 0;                                                                             \
    PROVENANCE_8_ROUNDS(0, PROVENANCE_AS_IT_IS);                                           \
    PROVENANCE_8_ROUNDS(8, PROVENANCE_AS_IT_IS);                                           \
    for (r = 16; r < 64; r += 16) {                                                        \
      PROVENANCE_8_ROUNDS(0, PROVENANCE_EXTEND);                                           \
      PROVENANCE_8_ROUNDS(8, PROVENANCE_EXTEND);                                           \
    }                                                                                      \
    state[0] = add(state[0], a), state[1] = add(state[1], b), state[2] = add(state[2], c); \
    state[3] = add(state[3], d), state[4] = add(state[4], e), state[5] = add(state[5], f); \
    state[6] = add(state[6], g), state[7] = add(state[7], h);                              \
  } while (false)
