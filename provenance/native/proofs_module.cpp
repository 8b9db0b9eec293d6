// What the Python module offers for many inclusion proofs at once; kernel.pyi says what.

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

#include "module.hpp"

namespace provenance {
namespace {

// Leaf numbers, copied before they are checked: what was checked is what is used.
class Indices {
 public:
  // False and an error unless each is below `size`.
  bool of(PyObject* object, uint64_t size) {
    Buffer buffer;
    if (!buffer.of(object, PyBUF_CONTIG_RO | PyBUF_FORMAT)) return false;
    if (!buffer.holds_uint64()) {
      PyErr_SetString(PyExc_ValueError, "the indices are not unsigned integers of 64 bits");
      return false;
    }
    count_ = buffer.size() / sizeof(uint64_t);
    values_.reset(new (std::nothrow) uint64_t[count_ + 1]);
    if (values_ == nullptr) {
      PyErr_NoMemory();
      return false;
    }
    std::memcpy(values_.get(), buffer.data(), buffer.size());
    for (size_t i = 0; i < count_; ++i) {
      if (values_[i] >= size) {
        PyErr_Format(PyExc_ValueError, "no leaf %llu in a tree of %llu",
                     static_cast<unsigned long long>(values_[i]),
                     static_cast<unsigned long long>(size));
        return false;
      }
    }
    return true;
  }

  const uint64_t* begin() const { return values_.get(); }
  const uint64_t* end() const { return values_.get() + count_; }
  size_t count() const { return count_; }

 private:
  std::unique_ptr<uint64_t[]> values_;
  size_t count_ = 0;
};

size_t bit_length(uint64_t value) {
  size_t length = 0;
  for (; value != 0; value >>= 1) ++length;
  return length;
}

// The way from a leaf to the root. Below level `part` there is a sibling on each level; from there
// on leaf and last leaf are in one subtree, and each bit of the leaf's number is a sibling to the
// left.
struct Way {
  Way(uint64_t leaf, uint64_t size) : index(leaf), part(bit_length(leaf ^ (size - 1))) {
    length = part;
    for (uint64_t rest = part < 64 ? index >> part : 0; rest != 0; rest >>= 1) length += rest & 1;
  }

  uint64_t index;
  size_t part;
  size_t length;  // hashes of the path
};

// How many hashes all paths have.
size_t hashes_of(const Indices& indices, uint64_t size) {
  size_t total = 0;
  for (uint64_t index : indices) total += Way(index, size).length;
  return total;
}

// A size of Python's; false and an error if it is none of 64 bits.
bool size_of(PyObject* object, uint64_t* size) {
  *size = PyLong_AsUnsignedLongLong(object);
  if (PyErr_Occurred() == nullptr) return true;
  if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
    PyErr_Format(PyExc_ValueError, "no tree has %R leaves", object);
  }
  return false;
}

// --- paths -------------------------------------------------------------------------------------

void gather(const Way& way, const std::vector<const uint8_t*>& levels, const uint8_t* last,
            uint8_t* out) {
  for (size_t level = 0; level < way.part; ++level, out += kHash) {
    const uint64_t sibling = (way.index >> level) ^ 1;
    const bool holds_last = level + 1 == way.part;
    std::memcpy(out, holds_last ? last + level * kHash : levels[level] + sibling * kHash, kHash);
  }
  for (size_t level = way.part; level < 64 && way.index >> level != 0; ++level) {
    if ((way.index >> level & 1) == 0) continue;
    std::memcpy(out, levels[level] + ((way.index >> level) - 1) * kHash, kHash);
    out += kHash;
  }
}

// --- climbing ----------------------------------------------------------------------------------

constexpr size_t kAtOnce = 512;

struct Climber {
  Way way;
  const uint8_t* sibling;
  uint8_t* value;
};

// Replace each value by the root that its path leads to; all of them go up a level at a time.
void climb_all(const Kernel& kernel, std::vector<Climber>& climbers, uint8_t* pairs,
               uint8_t* hashes) {
  auto through = [](size_t steps) {
    return [steps](const Climber& climber) { return climber.way.length == steps; };
  };
  for (size_t steps = 0;; ++steps) {
    climbers.erase(std::remove_if(climbers.begin(), climbers.end(), through(steps)),
                   climbers.end());
    if (climbers.empty()) return;
    uint8_t* pair = pairs;
    for (Climber& climber : climbers) {
      const bool left = steps >= climber.way.part || (climber.way.index >> steps & 1) != 0;
      std::memcpy(pair, left ? climber.sibling : climber.value, kHash);
      std::memcpy(pair + kHash, left ? climber.value : climber.sibling, kHash);
      climber.sibling += kHash;
      pair += 2 * kHash;
    }
    kernel.pairs(pairs, climbers.size(), hashes);
    const uint8_t* hash = hashes;
    for (Climber& climber : climbers) {
      std::memcpy(climber.value, hash, kHash);
      hash += kHash;
    }
  }
}

bool climb_from(const Kernel& kernel, const Indices& indices, uint64_t size, const uint8_t* path,
                uint8_t* values) try {
  std::vector<Climber> climbers;
  std::vector<uint8_t> room(3 * kHash * std::min(kAtOnce, indices.count()));
  climbers.reserve(std::min(kAtOnce, indices.count()));
  const uint64_t* next = indices.begin();
  while (next != indices.end()) {
    for (; next != indices.end() && climbers.size() < kAtOnce; ++next, values += kHash) {
      climbers.push_back({Way(*next, size), path, values});
      path += climbers.back().way.length * kHash;
    }
    uint8_t* pairs = room.data();
    climb_all(kernel, climbers, pairs, pairs + 2 * kHash * climbers.size());
  }
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

// The buffers of all levels of a tree, each as long as it must be.
class Levels {
 public:
  bool of(PyObject* object, uint64_t size) {
    PyObject* levels = PySequence_Tuple(object);
    if (levels == nullptr) return false;
    const auto count = static_cast<size_t>(PyTuple_Size(levels));
    bool whole = count == bit_length(size);
    if (!whole) PyErr_Format(PyExc_ValueError, "%zu levels are not those of the tree", count);
    try {
      for (size_t level = 0; whole && level < count; ++level) {
        buffers_.push_back(std::make_unique<Buffer>());
        Buffer& buffer = *buffers_.back();
        whole = buffer.of(PyTuple_GetItem(levels, static_cast<Py_ssize_t>(level)), PyBUF_SIMPLE);
        if (whole && buffer.size() / kHash < size >> level) {
          PyErr_Format(PyExc_ValueError, "level %zu is cut: %zu bytes", level, buffer.size());
          whole = false;
        }
        data_.push_back(buffer.data());
      }
    } catch (const std::bad_alloc&) {
      PyErr_NoMemory();
      whole = false;
    }
    Py_DECREF(levels);
    return whole;
  }

  const std::vector<const uint8_t*>& data() const { return data_; }

 private:
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<const uint8_t*> data_;
};

}  // namespace

PyObject* paths(PyObject*, PyObject* args) {
  PyObject *levels_object, *last_object, *indices_object, *size_object;
  uint64_t size;
  if (!PyArg_ParseTuple(args, "OOOO", &levels_object, &last_object, &indices_object,
                        &size_object) ||
      !size_of(size_object, &size)) {
    return nullptr;
  }
  Levels levels;
  Buffer last;
  Indices indices;
  if (!levels.of(levels_object, size) || !last.of(last_object, PyBUF_SIMPLE) ||
      !indices.of(indices_object, size)) {
    return nullptr;
  }
  if (size != 0 && last.size() != bit_length(size - 1) * kHash) {
    return PyErr_Format(PyExc_ValueError, "%zu bytes are not one last hash a level", last.size());
  }
  uint8_t* out = nullptr;
  PyObject* hashes = new_hashes(hashes_of(indices, size), &out);
  if (hashes == nullptr) return nullptr;
  Py_BEGIN_ALLOW_THREADS for (uint64_t index : indices) {
    const Way way(index, size);
    gather(way, levels.data(), last.data(), out);
    out += way.length * kHash;
  }
  Py_END_ALLOW_THREADS return hashes;
}

PyObject* climb(PyObject*, PyObject* args, PyObject* named) {
  static const char* names[] = {"leaf_hashes", "indices", "size", "paths", "kernel", nullptr};
  PyObject *leaves_object, *indices_object, *size_object, *paths_object;
  uint64_t size;
  const char* name = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, named, "OOOO|$z", const_cast<char**>(names),
                                   &leaves_object, &indices_object, &size_object, &paths_object,
                                   &name) ||
      !size_of(size_object, &size)) {
    return nullptr;
  }
  const Kernel* kernel = kernel_named(name);
  Buffer leaves, paths;
  Indices indices;
  if (kernel == nullptr || !leaves.of(leaves_object, PyBUF_SIMPLE) ||
      !paths.of(paths_object, PyBUF_SIMPLE) || !indices.of(indices_object, size)) {
    return nullptr;
  }
  if (leaves.size() != indices.count() * kHash || paths.size() != hashes_of(indices, size) * kHash) {
    return PyErr_Format(PyExc_ValueError, "%zu and %zu bytes are not the hashes of %zu proofs",
                        leaves.size(), paths.size(), indices.count());
  }
  uint8_t* out = nullptr;
  PyObject* roots = new_hashes(indices.count(), &out);
  if (roots == nullptr) return nullptr;
  bool done;
  Py_BEGIN_ALLOW_THREADS std::copy_n(leaves.data(), leaves.size(), out);
  done = climb_from(*kernel, indices, size, paths.data(), out);
  Py_END_ALLOW_THREADS if (!done) {
    Py_DECREF(roots);
    return PyErr_NoMemory();
  }
  return roots;
}

}  // namespace provenance
