// Rows of Arrow columns → RFC 8785 texts, byte for byte those of provenance/records/columns.py.
//
// What is not written here is no error: the caller takes such a column, or such rows, to the code
// that is slower and knows every case and every message.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "arrow.hpp"

namespace provenance {

// Bytes that grow at their end.
class Text {
 public:
  // Where `count` more bytes may be written; `end_at` then says how far they were.
  char* room(size_t count) {
    if (bytes_.size() - size_ < count) bytes_.resize(std::max(2 * bytes_.size(), size_ + count));
    return bytes_.data() + size_;
  }
  void end_at(const char* end) { size_ = static_cast<size_t>(end - bytes_.data()); }
  void append(const char* from, size_t count) {
    if (count == 0) return;
    std::memcpy(room(count), from, count);
    size_ += count;
  }
  const char* data() const { return bytes_.data(); }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }

 private:
  std::vector<char> bytes_;
  size_t size_ = 0;
};

// An array of one type. It points into what it was made of.
class Column {
 public:
  // Whether values of this type are written here, if the array is sound.
  static bool writes(const ArrowSchema& type);

  // False where they are not, or where the array cannot be what it says.
  bool of(const ArrowSchema& type, const ArrowArray& array);

  // Take strings for what they are: JSON texts. False for anything but strings or bytes.
  bool take_as_texts();

  // Append the text of a value, 0 ≤ index < length. False for a value that has none, or none here.
  bool write(int64_t index, Text& text) const {
    const int64_t at = offset + index;
    if (validity != nullptr && (validity[at >> 3] >> (at & 7) & 1) == 0) {
      text.append("null", 4);
      return true;
    }
    return writer(*this, at, text);
  }

  using Writer = bool (*)(const Column&, int64_t at, Text&);

  Writer writer = nullptr;
  const uint8_t* validity = nullptr;  // a bit a value; null if all are there
  const void* values = nullptr;       // or the offsets of strings and bytes
  const char* data = nullptr;         // the strings and bytes
  int64_t offset = 0, length = 0;
  int64_t data_size = 0;  // up to where the offsets may lead
  int64_t width = 0;      // bytes of a value of one size
  int64_t scale = 0;      // of decimals
  bool zone = false;      // of timestamps
  std::unique_ptr<Column> dictionary;
  Text texts;                     // of the values of the dictionary, one behind the other
  std::vector<size_t> text_ends;  // n + 1, the first 0; empty where they are not written ahead
};

// The columns of a record batch in the order of their names, and what stands around their values:
// pieces[0] value[0] pieces[1] … value[n - 1] pieces[n] is a row.
class Rows {
 public:
  // `is_text[i]` says that column i holds JSON texts. False where a column is not written here.
  bool of(const ArrowSchema& type, const ArrowArray& batch, const std::vector<std::string>& pieces,
          const std::vector<bool>& is_text);

  int64_t count() const { return count_; }

  // Append a row, 0 ≤ index < count. False where one of its values has no text here.
  bool write(int64_t index, Text& text) const {
    for (size_t i = 0; i < columns_.size(); ++i) {
      append(pieces_[i], text);
      if (!columns_[i].write(index, text)) return false;
    }
    append(pieces_.back(), text);
    return true;
  }

 private:
  // It is quicker to copy 16 bytes than to see how many there are, and most pieces are so short.
  static constexpr size_t kShort = 16;

  struct Piece {
    std::string bytes;  // filled up to kShort
    size_t size;
  };

  static void append(const Piece& piece, Text& text) {
    if (piece.size > kShort) return text.append(piece.bytes.data(), piece.size);
    char* to = text.room(kShort);
    std::memcpy(to, piece.bytes.data(), kShort);
    text.end_at(to + piece.size);
  }

  std::vector<Column> columns_;
  std::vector<Piece> pieces_;
  int64_t count_ = 0;
};

}  // namespace provenance
