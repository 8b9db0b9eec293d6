// What the files of the Python module share.

#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sha256.hpp"

namespace provenance {

// A Python object that is ours.
class Object {
 public:
  explicit Object(PyObject* object = nullptr) : object_(object) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  ~Object() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }

 private:
  PyObject* object_;
};

// A contiguous buffer of a Python object, released at the end.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view_); }

  bool of(PyObject* object, int flags) { return PyObject_GetBuffer(object, &view_, flags) == 0; }
  const uint8_t* data() const { return static_cast<const uint8_t*>(view_.buf); }
  uint8_t* writable() { return static_cast<uint8_t*>(view_.buf); }
  size_t size() const { return static_cast<size_t>(view_.len); }
  bool holds_uint64() const {
    return view_.itemsize == 8 && view_.format != nullptr &&
           (std::strcmp(view_.format, "Q") == 0 || std::strcmp(view_.format, "L") == 0);
  }

 private:
  Py_buffer view_ = {};
};

// The kernel of this name, the best for null; null and an error if this processor cannot run it.
const Kernel* kernel_named(const char* name);

// New bytes for so many hashes, and where they are written; null and an error if there is no room.
PyObject* new_hashes(size_t count, uint8_t** out);

// Functions of the module; kernel.pyi says what they do.
PyObject* writes(PyObject* module, PyObject* type);
PyObject* row_hashes(PyObject* module, PyObject* args, PyObject* named);
PyObject* paths(PyObject* module, PyObject* args);
PyObject* climb(PyObject* module, PyObject* args, PyObject* named);
PyObject* list_files(PyObject* module, PyObject* args);
PyObject* read_files(PyObject* module, PyObject* args);
PyObject* sorted_leaves(PyObject* module, PyObject* args);
PyObject* sorted_records(PyObject* module, PyObject* args);

}  // namespace provenance
