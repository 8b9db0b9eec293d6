// What the Python module offers for sorting; kernel.pyi says what.

#include <new>

#include "module.hpp"
#include "sorting.hpp"

namespace provenance {
namespace {

// Sorts what a buffer holds, items of one size, into new bytes, each with `width` bytes of a number
// behind it; the number of the first item given is `first`.
PyObject* sort_items(PyObject* object, size_t size, uint64_t first, size_t width) {
  Buffer items;
  if (!items.of(object, PyBUF_SIMPLE)) return nullptr;
  const size_t count = items.size() / size;
  if (items.size() % size != 0) {
    return PyErr_Format(PyExc_ValueError, "%zu bytes are not whole items of %zu", items.size(),
                        size);
  }
  if (count > UINT32_MAX || count > static_cast<size_t>(PY_SSIZE_T_MAX) / (size + width)) {
    return PyErr_Format(PyExc_ValueError, "%zu items are too many to be sorted at once", count);
  }
  PyObject* result =
      PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(count * (size + width)));
  if (result == nullptr) return nullptr;
  auto* out = reinterpret_cast<uint8_t*>(PyBytes_AsString(result));
  bool has_room = true;
  Py_BEGIN_ALLOW_THREADS;
  try {
    for (const Item& item : sorted_items(items.data(), size, static_cast<uint32_t>(count))) {
      std::memcpy(out, items.data() + item.at * size, size);
      out += size;
      for (size_t i = width; i-- != 0;) *out++ = static_cast<uint8_t>((first + item.at) >> 8 * i);
    }
  } catch (const std::bad_alloc&) {
    has_room = false;
  }
  Py_END_ALLOW_THREADS;
  if (has_room) return result;
  Py_DECREF(result);
  return PyErr_NoMemory();
}

}  // namespace

PyObject* sorted_leaves(PyObject*, PyObject* args) {
  PyObject* leaves;
  unsigned long long first;
  Py_ssize_t width;
  if (!PyArg_ParseTuple(args, "OKn", &leaves, &first, &width)) return nullptr;
  if (width < 1 || width > 8) {
    return PyErr_Format(PyExc_ValueError, "a number has 1 to 8 bytes, not %zd", width);
  }
  return sort_items(leaves, kHash, first, static_cast<size_t>(width));
}

PyObject* sorted_records(PyObject*, PyObject* args) {
  PyObject* records;
  Py_ssize_t size;
  if (!PyArg_ParseTuple(args, "On", &records, &size)) return nullptr;
  if (size < static_cast<Py_ssize_t>(kKey)) {
    return PyErr_Format(PyExc_ValueError, "a record has 8 bytes or more, not %zd", size);
  }
  return sort_items(records, static_cast<size_t>(size), 0, 0);
}

}  // namespace provenance
