// The Python module `provenance.native.kernel`; kernel.pyi says what it offers.

#include "module.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace provenance {
namespace {

const Kernel* const kKernels[] = {
#if PROVENANCE_X86
    &kAvx512,
    &kShaNi,
    &kAvx2,
#endif
    &kPortable,
};

}  // namespace

const Kernel* kernel_named(const char* name) {
  for (const Kernel* kernel : kKernels) {
    if ((name == nullptr || std::strcmp(kernel->name, name) == 0) && kernel->runs_here())
      return kernel;
  }
  PyErr_Format(PyExc_ValueError, "no kernel '%s' on this processor", name);
  return nullptr;
}

PyObject* new_hashes(size_t count, uint8_t** out) {
  if (count > static_cast<size_t>(PY_SSIZE_T_MAX) / kHash) return PyErr_NoMemory();
  PyObject* hashes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(count * kHash));
  if (hashes != nullptr) *out = reinterpret_cast<uint8_t*>(PyBytes_AsString(hashes));
  return hashes;
}

namespace {

// Offsets are copied before they are checked: whoever may write to the buffer, what was checked is
// what is used.
class Offsets {
 public:
  bool of(PyObject* object, size_t data_size) {
    Buffer buffer;
    if (!buffer.of(object, PyBUF_CONTIG_RO | PyBUF_FORMAT)) return false;
    if (!buffer.holds_uint64()) {
      PyErr_SetString(PyExc_ValueError, "the offsets are not unsigned integers of 64 bits");
      return false;
    }
    const size_t count = buffer.size() / sizeof(uint64_t);
    if (count == 0) {
      PyErr_SetString(PyExc_ValueError, "there are no offsets; n regions have n + 1");
      return false;
    }
    values_.reset(new (std::nothrow) uint64_t[count]);
    if (values_ == nullptr) {
      PyErr_NoMemory();
      return false;
    }
    std::memcpy(values_.get(), buffer.data(), buffer.size());
    regions_ = count - 1;
    uint64_t before = 0;
    for (size_t i = 0; i < count; ++i) {
      if (values_[i] < before || values_[i] > data_size) {
        PyErr_Format(PyExc_ValueError, "offset %zu is %llu, not from %llu to %zu", i,
                     static_cast<unsigned long long>(values_[i]),
                     static_cast<unsigned long long>(before), data_size);
        return false;
      }
      before = values_[i];
    }
    return true;
  }

  const uint64_t* values() const { return values_.get(); }
  size_t regions() const { return regions_; }

 private:
  std::unique_ptr<uint64_t[]> values_;
  size_t regions_ = 0;
};

PyObject* hash_regions(PyObject* args, PyObject* named, bool leaves) {
  static const char* names[] = {"data", "offsets", "kernel", nullptr};
  PyObject *data_object, *offsets_object;
  const char* name = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, named, "OO|$z", const_cast<char**>(names), &data_object,
                                   &offsets_object, &name)) {
    return nullptr;
  }
  const Kernel* kernel = kernel_named(name);
  Buffer data;
  Offsets offsets;
  if (kernel == nullptr || !data.of(data_object, PyBUF_SIMPLE) ||
      !offsets.of(offsets_object, data.size())) {
    return nullptr;
  }
  Regions regions = {data.data(), offsets.values(), offsets.regions(), leaves, nullptr};
  PyObject* hashes = new_hashes(regions.count, &regions.out);
  if (hashes == nullptr) return nullptr;
  Py_BEGIN_ALLOW_THREADS kernel->regions(regions);
  Py_END_ALLOW_THREADS return hashes;
}

PyObject* digests(PyObject*, PyObject* args, PyObject* named) {
  return hash_regions(args, named, false);
}

PyObject* leaf_hashes(PyObject*, PyObject* args, PyObject* named) {
  return hash_regions(args, named, true);
}

// Fill in every level above `level`, each behind the one below it.
void fold(const Kernel& kernel, const uint8_t* level, size_t size, uint8_t* out) {
  // Nodes are hashed again while they are in the cache: stretches of 2^12 go up 12 levels at once.
  constexpr int kLevels = 12;
  while (size >= 2) {
    const uint8_t* next_level = nullptr;
    uint8_t* next_out = nullptr;
    for (size_t begin = 0; begin < size; begin += size_t{1} << kLevels) {
      const size_t end = std::min(size, begin + (size_t{1} << kLevels));
      const uint8_t* below = level;
      uint8_t* above = out;
      for (int up = 1; up <= kLevels; ++up) {
        const size_t from = begin >> up, to = end >> up;
        kernel.pairs(below + 2 * from * kHash, to - from, above + from * kHash);
        below = above;
        above += (size >> up) * kHash;
      }
      next_level = below;
      next_out = above;
    }
    level = next_level;
    out = next_out;
    size >>= kLevels;
  }
}

PyObject* hash_levels(PyObject* args, PyObject* named, bool all) {
  static const char* names[] = {"level", "kernel", nullptr};
  PyObject* level_object;
  const char* name = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, named, "O|$z", const_cast<char**>(names), &level_object,
                                   &name)) {
    return nullptr;
  }
  const Kernel* kernel = kernel_named(name);
  Buffer level;
  if (kernel == nullptr || !level.of(level_object, PyBUF_SIMPLE)) return nullptr;
  if (level.size() % kHash != 0) {
    return PyErr_Format(PyExc_ValueError, "%zu bytes are not whole hashes of %zu", level.size(),
                        kHash);
  }
  const size_t size = level.size() / kHash;
  size_t count = size / 2;
  for (size_t above = count / 2; all && above != 0; above /= 2) count += above;
  uint8_t* out = nullptr;
  PyObject* hashes = new_hashes(count, &out);
  if (hashes == nullptr) return nullptr;
  Py_BEGIN_ALLOW_THREADS if (all) { fold(*kernel, level.data(), size, out); }
  else {
    kernel->pairs(level.data(), size / 2, out);
  }
  Py_END_ALLOW_THREADS return hashes;
}

PyObject* level_above(PyObject*, PyObject* args, PyObject* named) {
  return hash_levels(args, named, false);
}

PyObject* levels_above(PyObject*, PyObject* args, PyObject* named) {
  return hash_levels(args, named, true);
}

PyObject* kernels(PyObject*, PyObject*) {
  PyObject* names = PyList_New(0);
  for (const Kernel* kernel : kKernels) {
    if (names == nullptr || !kernel->runs_here()) continue;
    PyObject* name = PyUnicode_FromString(kernel->name);
    if (name == nullptr || PyList_Append(names, name) < 0) Py_CLEAR(names);
    Py_XDECREF(name);
  }
  PyObject* result = names == nullptr ? nullptr : PyList_AsTuple(names);
  Py_XDECREF(names);
  return result;
}

PyCFunction with_names(PyCFunctionWithKeywords function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef kMethods[] = {
    {"kernels", kernels, METH_NOARGS, "The kernels that this processor can run, the best first."},
    {"digests", with_names(digests), METH_VARARGS | METH_KEYWORDS,
     "SHA-256 of each region: data[offsets[i]:offsets[i + 1]]."},
    {"leaf_hashes", with_names(leaf_hashes), METH_VARARGS | METH_KEYWORDS,
     "SHA-256(0x00 ‖ region) of each region: data[offsets[i]:offsets[i + 1]]."},
    {"level_above", with_names(level_above), METH_VARARGS | METH_KEYWORDS,
     "SHA-256(0x01 ‖ left ‖ right) of each pair of a level; a last one without a partner is left "
     "out."},
    {"levels_above", with_names(levels_above), METH_VARARGS | METH_KEYWORDS,
     "Every level above, bottom up: those of a tree file."},
    {"paths", paths, METH_VARARGS, "The paths of inclusion proofs of a tree's leaves."},
    {"climb", with_names(climb), METH_VARARGS | METH_KEYWORDS,
     "The roots to which the paths of inclusion proofs lead."},
    {"writes", writes, METH_O, "Whether the text of an Arrow type is written here."},
    {"row_hashes", with_names(row_hashes), METH_VARARGS | METH_KEYWORDS,
     "The leaf hash of each row of a record batch, as RFC 8785 text; None where one is not written "
     "here."},
#ifndef _WIN32
    {"list_files", list_files, METH_VARARGS,
     "The files of a folder: names and states; and the names of all else that lies there."},
    {"read_files", read_files, METH_VARARGS,
     "Read files into a buffer, one behind the other, each as it was listed."},
#endif
    {"sorted_leaves", sorted_leaves, METH_VARARGS,
     "Leaf hashes in order, each with the number of its leaf behind it."},
    {"sorted_records", sorted_records, METH_VARARGS, "Records of one size in order."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT,
    "provenance.native.kernel",
    "SHA-256 of many messages at once, in C++.",
    0,
    kMethods,
    nullptr,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace
}  // namespace provenance

PyMODINIT_FUNC PyInit_kernel() { return PyModuleDef_Init(&provenance::kModule); }
