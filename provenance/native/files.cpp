// What the Python module offers for the files of a folder; kernel.pyi says what. Here no file costs
// a Python object of its own, and other Python threads run all the while.

#ifndef _WIN32

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <numeric>
#include <string>
#include <vector>

#include "module.hpp"

namespace provenance {
namespace {

constexpr int kChanged = 0;  // in place of an error of the operating system

// What stays the same while nobody changes or replaces a file; times in nanoseconds.
struct State {
  uint64_t device, inode, size;
  int64_t modified, changed;

  static State of(const struct stat& status) {
#ifdef __APPLE__
    const timespec &modified = status.st_mtimespec, &changed = status.st_ctimespec;
#else
    const timespec &modified = status.st_mtim, &changed = status.st_ctim;
#endif
    return {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
            static_cast<uint64_t>(status.st_size), nanoseconds(modified), nanoseconds(changed)};
  }

  // All but `changed`, which is also of a new name or new rights.
  bool is_file(const State& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           modified == other.modified;
  }

 private:
  // Modulo 2^64, so that a time beyond the year 2262 has its number too.
  static int64_t nanoseconds(const timespec& time) {
    return static_cast<int64_t>(static_cast<uint64_t>(time.tv_sec) * 1000000000 +
                                static_cast<uint64_t>(time.tv_nsec));
  }
};

static_assert(sizeof(State) == 40, "as kernel.pyi says");

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }

  int number() const { return number_; }

 private:
  int number_;
};

// --- the list -----------------------------------------------------------------------------------

struct Names {
  std::string text;           // each with a NUL behind it
  std::vector<size_t> begin;  // where each begins

  void add(const char* name) {
    begin.push_back(text.size());
    text.append(name, std::strlen(name) + 1);
  }

  size_t count() const { return begin.size(); }
  const char* operator[](size_t i) const { return text.data() + begin[i]; }

  // Their order by byte.
  std::vector<size_t> order() const {
    std::vector<size_t> order(count());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return std::strcmp((*this)[a], (*this)[b]) < 0; });
    return order;
  }

  // A list of str in this order; null and an error where there is no room.
  PyObject* list(const std::vector<size_t>& order) const {
    PyObject* names = PyList_New(static_cast<Py_ssize_t>(order.size()));
    for (size_t i = 0; names != nullptr && i < order.size(); ++i) {
      PyObject* name = PyUnicode_DecodeFSDefault((*this)[order[i]]);
      if (name == nullptr || PyList_SetItem(names, static_cast<Py_ssize_t>(i), name) < 0)
        Py_CLEAR(names);
    }
    return names;
  }
};

struct Found {
  Names files, others;
  std::vector<size_t> files_order, others_order;
  std::vector<State> states;  // of the files, in their order
};

// 0, or what the operating system says is wrong.
int look_into(const char* folder, Found& found) {
  DIR* const stream = opendir(folder);
  if (stream == nullptr) return errno;
  int wrong = 0;
  try {
    std::vector<State> states;
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(stream);
      if (entry == nullptr) break;
      const char* name = entry->d_name;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      struct stat status;
      if (fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(status.st_mode)) {
        found.files.add(name);
        states.push_back(State::of(status));
      } else {
        found.others.add(name);
      }
    }
    wrong = errno;
    found.files_order = found.files.order();
    found.others_order = found.others.order();
    found.states.reserve(states.size());
    for (const size_t i : found.files_order) found.states.push_back(states[i]);
  } catch (const std::bad_alloc&) {
    wrong = ENOMEM;
  }
  closedir(stream);
  return wrong;
}

// --- reading ------------------------------------------------------------------------------------

// A system call, again where a signal came between.
template <typename Call>
auto persistently(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// Read a whole file to where there is room for one byte more. False if it cannot be read, with
// `wrong` what the operating system says; or if it is not as it was listed.
bool read_file(int folder, const char* path, const State& listed, uint8_t* to, int& wrong) {
  // Should a pipe lie there by now, opening it waits for nobody.
  const Descriptor file(
      persistently([&] { return openat(folder, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
  struct stat status;
  if (file.number() < 0 || fstat(file.number(), &status) < 0) {
    wrong = errno;
    return false;
  }
  wrong = kChanged;
  if (!State::of(status).is_file(listed)) return false;
  uint64_t count = 0;
  while (count < listed.size) {
    const ssize_t more = persistently(
        [&] { return read(file.number(), to + count, size_t(listed.size + 1 - count)); });
    if (more < 0) wrong = errno;
    if (more <= 0) return false;
    count += static_cast<uint64_t>(more);
  }
  return count == listed.size;
}

// False and an error if they are no paths.
bool paths_of(PyObject* list, Names& paths) {
  for (Py_ssize_t i = 0; i < PyList_Size(list); ++i) {
    PyObject *item = PyList_GetItem(list, i), *path;
    Py_INCREF(item);
    const Object held(item);
    if (!PyUnicode_FSConverter(item, &path)) return false;
    const Object ours(path);
    paths.add(PyBytes_AsString(path));
  }
  return true;
}

// Where each file goes; false and an error where they do not fit.
bool states_of(PyObject* object, size_t count, size_t room, std::vector<State>& states) {
  Buffer buffer;
  if (!buffer.of(object, PyBUF_SIMPLE)) return false;
  if (buffer.size() != count * sizeof(State)) {
    PyErr_Format(PyExc_ValueError, "%zu bytes are not %zu states of %zu", buffer.size(), count,
                 sizeof(State));
    return false;
  }
  states.resize(count);  // copied: what is checked is what is used
  if (count != 0) std::memcpy(states.data(), buffer.data(), buffer.size());
  bool fit = room != 0;
  for (size_t i = 0; fit && i < count; ++i) {
    fit = states[i].size < room;
    room -= fit ? static_cast<size_t>(states[i].size) : 0;
  }
  if (!fit)
    PyErr_SetString(PyExc_ValueError, "the files, and one byte more, do not fit into the buffer");
  return fit;
}

}  // namespace

PyObject* list_files(PyObject*, PyObject* args) {
  PyObject* path;
  if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return nullptr;
  const Object ours(path);
  const char* folder = PyBytes_AsString(path);
  Found found;
  int wrong = 0;
  Py_BEGIN_ALLOW_THREADS;
  wrong = look_into(folder, found);
  Py_END_ALLOW_THREADS;
  if (wrong != 0) {
    errno = wrong;
    return PyErr_SetFromErrnoWithFilename(PyExc_OSError, folder);
  }
  const Object files(found.files.list(found.files_order));
  const Object others(found.others.list(found.others_order));
  const Object states(PyBytes_FromStringAndSize(
      reinterpret_cast<const char*>(found.states.data()),
      static_cast<Py_ssize_t>(found.states.size() * sizeof(State))));
  if (files.get() == nullptr || others.get() == nullptr || states.get() == nullptr) return nullptr;
  return Py_BuildValue("OOO", files.get(), states.get(), others.get());
}

PyObject* read_files(PyObject*, PyObject* args) {
  PyObject *path, *paths_list, *states_object, *buffer_object;
  if (!PyArg_ParseTuple(args, "O&O!OO", PyUnicode_FSConverter, &path, &PyList_Type, &paths_list,
                        &states_object, &buffer_object)) {
    return nullptr;
  }
  const Object ours(path);
  const char* folder_path = PyBytes_AsString(path);
  Buffer buffer;
  Names paths;
  std::vector<State> states;
  try {
    if (!buffer.of(buffer_object, PyBUF_WRITABLE) || !paths_of(paths_list, paths) ||
        !states_of(states_object, paths.count(), buffer.size(), states)) {
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
  size_t at = 0;
  int wrong = kChanged;
  Py_BEGIN_ALLOW_THREADS;
  const Descriptor folder(
      persistently([&] { return open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (folder.number() < 0) {
    wrong = errno;
  } else {
    uint8_t* to = buffer.writable();
    for (; at < states.size(); ++at) {
      if (!read_file(folder.number(), paths[at], states[at], to, wrong)) break;
      to += states[at].size;
    }
  }
  Py_END_ALLOW_THREADS;
  if (at == states.size()) Py_RETURN_NONE;
  return Py_BuildValue("ni", static_cast<Py_ssize_t>(at), wrong);
}

}  // namespace provenance

#endif
