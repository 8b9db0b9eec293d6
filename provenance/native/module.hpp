// What the files of the Python module share.

#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sha256.hpp"

namespace provenance {

// The kernel of this name, the best for null; null and an error if this processor cannot run it.
const Kernel* kernel_named(const char* name);

// New bytes for so many hashes, and where they are written; null and an error if there is no room.
PyObject* new_hashes(size_t count, uint8_t** out);

// Functions of the module; kernel.pyi says what they do.
PyObject* writes(PyObject* module, PyObject* type);
PyObject* row_hashes(PyObject* module, PyObject* args, PyObject* named);

}  // namespace provenance
