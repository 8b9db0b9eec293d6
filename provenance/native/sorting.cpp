// Items go to buckets by where their key lies between the least and the greatest, and each bucket
// is sorted by comparison. Keys of random hashes fill the buckets evenly, so a bucket is small and in
// the cache; of keys that somebody chose, one bucket may get them all, and it takes n log n.

#include "sorting.hpp"

#include <algorithm>
#include <cstring>

namespace provenance {
namespace {

constexpr int kBucketBits = 16;

uint64_t key_of(const uint8_t* item) {
  uint64_t key = 0;
  for (size_t i = 0; i < kKey; ++i) key = key << 8 | item[i];
  return key;
}

}  // namespace

std::vector<Item> sorted_items(const uint8_t* data, size_t size, uint32_t count) {
  std::vector<Item> given(count), sorted(count);
  uint64_t least = UINT64_MAX, greatest = 0;
  for (uint32_t at = 0; at < count; ++at) {
    const uint64_t key = key_of(data + at * size);
    given[at] = {key, at};
    least = std::min(least, key);
    greatest = std::max(greatest, key);
  }
  int shift = 0;
  while (count != 0 && (greatest - least) >> shift >> kBucketBits != 0) ++shift;
  const auto bucket = [&](const Item& item) { return (item.key - least) >> shift; };

  std::vector<uint32_t> ends((size_t{1} << kBucketBits) + 1);
  for (const Item& item : given) ++ends[bucket(item) + 1];
  for (size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  for (const Item& item : given) sorted[ends[bucket(item)]++] = item;

  const auto before = [=](const Item& one, const Item& other) {
    if (one.key != other.key) return one.key < other.key;
    const int order = std::memcmp(data + one.at * size, data + other.at * size, size);
    return order != 0 ? order < 0 : one.at < other.at;
  };
  uint32_t begin = 0;
  for (size_t i = 0; i + 1 < ends.size(); ++i) {  // now each is where its bucket ends
    std::sort(sorted.begin() + begin, sorted.begin() + ends[i], before);
    begin = ends[i];
  }
  return sorted;
}

}  // namespace provenance
