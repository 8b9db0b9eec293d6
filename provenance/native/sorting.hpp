// Sorting items of one size by their bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace provenance {

constexpr size_t kKey = 8;  // bytes of an item that are compared at once: it has so many or more

// An item by its first eight bytes, as a number, and by its place.
struct Item {
  uint64_t key;
  uint32_t at;
};

// Return `count` items of `size` bytes, sorted by all of these; equal ones stay in order.
std::vector<Item> sorted_items(const uint8_t* data, size_t size, uint32_t count);

}  // namespace provenance
