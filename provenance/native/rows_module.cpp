// What the Python module offers for rows of Arrow columns; kernel.pyi says what.

#include <new>

#include "module.hpp"
#include "rows.hpp"

namespace provenance {
namespace {

// What a capsule of the Arrow PyCapsule interface holds; null and an error if it is none.
template <typename T>
const T* held(PyObject* capsule, const char* name) {
  return capsule == nullptr ? nullptr : static_cast<const T*>(PyCapsule_GetPointer(capsule, name));
}

// Rows are hashed while their texts are in the cache: so many at a time, or so many bytes.
constexpr int64_t kRowsAtOnce = 1024;
constexpr size_t kBytesAtOnce = size_t{1} << 18;

// Hash every row as a leaf. False where a row is not written here.
bool hash_rows(const Rows& rows, const Kernel& kernel, uint8_t* out) {
  Text text;
  std::vector<uint64_t> offsets(kRowsAtOnce + 1);
  for (int64_t row = 0; row < rows.count();) {
    text.clear();
    size_t count = 0;
    while (row < rows.count() && count < kRowsAtOnce && text.size() < kBytesAtOnce) {
      if (!rows.write(row++, text)) return false;
      offsets[++count] = text.size();
    }
    kernel.regions(
        {reinterpret_cast<const uint8_t*>(text.data()), offsets.data(), count, true, out});
    out += count * kHash;
  }
  return true;
}

// The bytes of each of a list of Python.
bool strings_of(PyObject* list, std::vector<std::string>& strings) {
  for (Py_ssize_t i = 0; i < PyList_Size(list); ++i) {
    char* bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size) < 0) return false;
    strings.emplace_back(bytes, static_cast<size_t>(size));
  }
  return true;
}

}  // namespace

PyObject* writes(PyObject*, PyObject* type) {
  const Object capsule(PyObject_CallMethod(type, "__arrow_c_schema__", nullptr));
  const auto* schema = held<ArrowSchema>(capsule.get(), "arrow_schema");
  return schema == nullptr ? nullptr : PyBool_FromLong(Column::writes(*schema));
}

PyObject* row_hashes(PyObject*, PyObject* args, PyObject* named) {
  static const char* names[] = {"batch", "pieces", "texts", "kernel", nullptr};
  PyObject *batch, *pieces_list;
  const char *texts, *name = nullptr;
  Py_ssize_t texts_size;
  if (!PyArg_ParseTupleAndKeywords(args, named, "OO!y#|$z", const_cast<char**>(names), &batch,
                                   &PyList_Type, &pieces_list, &texts, &texts_size, &name)) {
    return nullptr;
  }
  const Kernel* kernel = kernel_named(name);
  if (kernel == nullptr) return nullptr;
  if (PyList_Size(pieces_list) != texts_size + 1) {
    return PyErr_Format(PyExc_ValueError, "%zd pieces do not stand around %zd columns",
                        PyList_Size(pieces_list), texts_size);
  }
  // The capsules hold what is read here until they are let go.
  const Object capsules(PyObject_CallMethod(batch, "__arrow_c_array__", nullptr));
  PyObject *schema_capsule, *array_capsule;
  if (capsules.get() == nullptr ||
      !PyArg_ParseTuple(capsules.get(), "OO", &schema_capsule, &array_capsule)) {
    return nullptr;
  }
  const auto* schema = held<ArrowSchema>(schema_capsule, "arrow_schema");
  const auto* array = held<ArrowArray>(array_capsule, "arrow_array");
  if (schema == nullptr || array == nullptr) return nullptr;
  try {
    std::vector<std::string> pieces;
    if (!strings_of(pieces_list, pieces)) return nullptr;
    const std::vector<bool> is_text(texts, texts + texts_size);
    uint8_t* out = nullptr;
    if (array->length < 0) Py_RETURN_NONE;
    const Object hashes(new_hashes(static_cast<size_t>(array->length), &out));
    if (hashes.get() == nullptr) return nullptr;
    bool written = false, has_room = true;
    Py_BEGIN_ALLOW_THREADS;
    try {
      Rows rows;
      written = rows.of(*schema, *array, pieces, is_text) && hash_rows(rows, *kernel, out);
    } catch (const std::bad_alloc&) {
      has_room = false;
    }
    Py_END_ALLOW_THREADS;
    if (!has_room) return PyErr_NoMemory();
    PyObject* result = written ? hashes.get() : Py_None;
    Py_INCREF(result);
    return result;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

}  // namespace provenance
