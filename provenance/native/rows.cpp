#include "rows.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace provenance {
namespace {

template <typename T>
T load(const void* values, int64_t at) {
  T value;
  std::memcpy(&value, static_cast<const char*>(values) + at * sizeof(T), sizeof value);
  return value;
}

char* copy(char* to, const char* from, size_t count) {
  std::memcpy(to, from, count);
  return to + count;
}

// --- numbers -------------------------------------------------------------------------------------

constexpr size_t kLongestNumber = 32;  // -2.2250738585072014e-308, and what is written ahead of it

#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
constexpr bool kWritesDoubles = true;

// The shortest digits that read back as `value`, d[.ddd]e±dd.
char* shortest(double value, char* to) {
  return std::to_chars(to, to + kLongestNumber, value, std::chars_format::scientific).ptr;
}
#else  // an older library: nothing is written here
constexpr bool kWritesDoubles = false;

char* shortest(double, char* to) { return to; }
#endif

// As ECMAScript writes a finite number (Number::toString; RFC 8785, 3.2.2.3).
char* write_number(double value, char* to) {
  if (value == 0) return copy(to, "0", 1);
  if (value < 0) *to++ = '-';
  value = std::fabs(value);
  if (value < 9007199254740992.0 && value == std::floor(value)) {
    return std::to_chars(to, to + kLongestNumber, static_cast<int64_t>(value)).ptr;
  }
  char found[kLongestNumber];
  const char* end = shortest(value, found);
  char digits[kLongestNumber];
  int count = 0, exponent = 0;
  const char* at = found;
  for (; *at != 'e'; ++at) {
    if (*at != '.') digits[count++] = *at;
  }
  std::from_chars(at + (at[1] == '+' ? 2 : 1), end, exponent);
  const int before = exponent + 1;  // digits before the point
  if (before > 21 || before < -5) {
    *to++ = digits[0];
    if (count > 1) {
      *to++ = '.';
      to = copy(to, digits + 1, count - 1);
    }
    *to++ = 'e';
    if (exponent > 0) *to++ = '+';
    return std::to_chars(to, to + 5, exponent).ptr;
  }
  if (before <= 0) {
    to = copy(to, "0.00000", 2 - before);
    return copy(to, digits, count);
  }
  if (count <= before) {
    to = copy(to, digits, count);
    for (int i = count; i < before; ++i) *to++ = '0';
    return to;
  }
  to = copy(to, digits, before);
  *to++ = '.';
  return copy(to, digits + before, count - before);
}

bool write_double(double value, Text& text) {
  if (std::isnan(value)) {
    text.append("\"NaN\"", 5);
  } else if (std::isinf(value)) {
    value > 0 ? text.append("\"Infinity\"", 10) : text.append("\"-Infinity\"", 11);
  } else {
    text.end_at(write_number(value, text.room(kLongestNumber)));
  }
  return true;
}

template <typename T>
bool write_float(const Column& column, int64_t at, Text& text) {
  return write_double(load<T>(column.values, at), text);
}

bool write_half(const Column& column, int64_t at, Text& text) {
  const auto bits = load<uint16_t>(column.values, at);
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  double value =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  if (exponent == 0x1f) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  }
  return write_double((bits & 0x8000) != 0 ? -value : value, text);
}

// Whether ES6 writes the double nearest to an integer with the integer's own digits.
template <typename T>
bool is_number(T value, const char* digits, const char* end) {
  char number[kLongestNumber];
  const char* number_end = write_number(static_cast<double>(value), number);
  return end - digits == number_end - number && std::equal(digits, end, number);
}

template <typename T>
bool write_integer(const Column& column, int64_t at, Text& text) {
  constexpr int64_t kMost = (int64_t{1} << 53) - 1;  // up to here every integer is a number
  const T value = load<T>(column.values, at);
  char* to = text.room(kLongestNumber);
  char* const digits = sizeof(T) < 8 ? to : to + 1;
  char* end = std::to_chars(digits, to + kLongestNumber, value).ptr;
  if (sizeof(T) == 8) {
    const bool within = std::is_signed<T>::value
                            ? value >= static_cast<T>(-kMost) && value <= static_cast<T>(kMost)
                            : value <= static_cast<T>(kMost);
    if (within || is_number(value, digits, end)) {
      std::memmove(to, digits, kLongestNumber - 1);
      --end;
    } else {
      *to = '"';
      *end++ = '"';
    }
  }
  text.end_at(end);
  return true;
}

bool write_boolean(const Column& column, int64_t at, Text& text) {
  const bool value = static_cast<const uint8_t*>(column.values)[at >> 3] >> (at & 7) & 1;
  value ? text.append("true", 4) : text.append("false", 5);
  return true;
}

bool write_null(const Column&, int64_t, Text& text) {
  text.append("null", 4);
  return true;
}

// The number in plain notation, without trailing zeros of its fraction, a string.
template <int kWords>
bool write_decimal(const Column& column, int64_t at, Text& text) {
  uint32_t words[kWords];  // the least significant first
  std::memcpy(words, static_cast<const char*>(column.values) + at * sizeof words, sizeof words);
  const bool negative = words[kWords - 1] >> 31 != 0;
  if (negative) {
    uint64_t carry = 1;
    for (uint32_t& word : words) {
      carry += static_cast<uint32_t>(~word);
      word = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  char digits[10 * kWords + 9];
  char* const end = digits + sizeof digits;
  char* begin = end;
  for (int left = kWords; left > 0;) {
    if (words[left - 1] == 0) {
      --left;
      continue;
    }
    uint64_t rest = 0;
    for (int i = left - 1; i >= 0; --i) {
      rest = rest << 32 | words[i];
      words[i] = static_cast<uint32_t>(rest / 1000000000);
      rest %= 1000000000;
    }
    for (int i = 0; i < 9; ++i, rest /= 10) *--begin = static_cast<char>('0' + rest % 10);
  }
  while (begin != end && *begin == '0') ++begin;

  char* to = text.room(sizeof digits + static_cast<size_t>(column.scale) + 8);
  *to++ = '"';
  if (begin == end) {
    *to++ = '0';
  } else {
    if (negative) *to++ = '-';
    const int64_t whole = end - begin - column.scale;  // digits before the point
    const char* last = end;
    while (last - begin > std::max<int64_t>(whole, 0) && last[-1] == '0') --last;
    if (whole > 0) {
      to = copy(to, begin, static_cast<size_t>(whole));
      begin += whole;
    } else {
      *to++ = '0';
    }
    if (begin < last) {
      *to++ = '.';
      for (int64_t i = whole; i < 0; ++i) *to++ = '0';
      to = copy(to, begin, static_cast<size_t>(last - begin));
    }
  }
  *to++ = '"';
  text.end_at(to);
  return true;
}

// --- times ---------------------------------------------------------------------------------------

constexpr int64_t kDay = 86400;  // seconds

char* write_two(char* to, int64_t value) {
  const auto small = static_cast<unsigned>(value);
  *to++ = static_cast<char>('0' + small / 10);
  *to++ = static_cast<char>('0' + small % 10);
  return to;
}

// YYYY-MM-DD of a day counted from 1970-01-01; null for a year outside 0001-9999.
char* write_day(char* to, int64_t day) {
  if (day < -719162 || day > 2932896) return nullptr;
  // Years are counted from March, so that a leap day is the last of its year.
  const int64_t days = day + 719468;  // since 0000-03-01
  const int64_t era = days / 146097, of_era = days % 146097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t since_march = (5 * of_year + 2) / 153;
  const int64_t month = since_march < 10 ? since_march + 3 : since_march - 9;
  const int64_t year = 400 * era + year_of_era + (month <= 2 ? 1 : 0);
  to = write_two(write_two(to, year / 100), year % 100);
  *to++ = '-';
  to = write_two(to, month);
  *to++ = '-';
  return write_two(to, of_year - (153 * since_march + 2) / 5 + 1);
}

char* write_clock(char* to, int64_t seconds) {
  to = write_two(to, seconds / 3600);
  *to++ = ':';
  to = write_two(to, seconds / 60 % 60);
  *to++ = ':';
  return write_two(to, seconds % 60);
}

// .fff without trailing zeros, nothing for 0.
template <int64_t kPerSecond>
char* write_fraction(char* to, int64_t units) {
  if (units == 0) return to;
  *to++ = '.';
  for (int64_t place = kPerSecond / 10; units != 0; place /= 10) {
    *to++ = static_cast<char>('0' + units / place);
    units %= place;
  }
  return to;
}

int64_t floor_divided(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

template <int64_t kPerSecond>
bool write_timestamp(const Column& column, int64_t at, Text& text) {
  const auto value = load<int64_t>(column.values, at);
  const int64_t seconds = floor_divided(value, kPerSecond), day = floor_divided(seconds, kDay);
  const int64_t units = value % kPerSecond;
  char* to = text.room(40);
  *to++ = '"';
  to = write_day(to, day);
  if (to == nullptr) return false;
  *to++ = 'T';
  to = write_clock(to, seconds - day * kDay);
  to = write_fraction<kPerSecond>(to, units < 0 ? units + kPerSecond : units);
  if (column.zone) *to++ = 'Z';
  *to++ = '"';
  text.end_at(to);
  return true;
}

bool write_date(int64_t day, Text& text) {
  char* to = text.room(12);
  *to++ = '"';
  to = write_day(to, day);
  if (to == nullptr) return false;
  *to++ = '"';
  text.end_at(to);
  return true;
}

bool write_date32(const Column& column, int64_t at, Text& text) {
  return write_date(load<int32_t>(column.values, at), text);
}

bool write_date64(const Column& column, int64_t at, Text& text) {
  const auto value = load<int64_t>(column.values, at);
  return value % (1000 * kDay) == 0 && write_date(value / (1000 * kDay), text);
}

template <typename T, int64_t kPerSecond>
bool write_time(const Column& column, int64_t at, Text& text) {
  const int64_t value = load<T>(column.values, at);
  if (value < 0 || value >= kDay * kPerSecond) return false;
  char* to = text.room(24);
  *to++ = '"';
  to = write_clock(to, value / kPerSecond);
  to = write_fraction<kPerSecond>(to, value % kPerSecond);
  *to++ = '"';
  text.end_at(to);
  return true;
}

template <int64_t kPerSecond>
bool write_duration(const Column& column, int64_t at, Text& text) {
  const auto value = load<int64_t>(column.values, at);
  const uint64_t units = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  char* to = text.room(40);
  *to++ = '"';
  if (value < 0) *to++ = '-';
  to = copy(to, "PT", 2);
  to = std::to_chars(to, to + 20, units / kPerSecond).ptr;
  to = write_fraction<kPerSecond>(to, static_cast<int64_t>(units % kPerSecond));
  to = copy(to, "S\"", 2);
  text.end_at(to);
  return true;
}

// --- strings and bytes ---------------------------------------------------------------------------

struct Stretch {
  const char* data;
  size_t size;
};

// One stretch of the data; false where an offset leads back or out of it.
template <typename Offset>
bool find(const Column& column, int64_t at, Stretch& found) {
  const int64_t begin = load<Offset>(column.values, at), end = load<Offset>(column.values, at + 1);
  if (begin < 0 || begin > end || end > column.data_size) return false;
  found = {column.data + begin, static_cast<size_t>(end - begin)};
  return true;
}

// Whether eight bytes are all of ASCII and need no escape.
bool are_plain(const char* from) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  // Of a byte below 0x80, x - y borrows into the upper bit where x < y; 0 - 1 likewise.
  const uint64_t control = word - kOnes * 0x20;
  const uint64_t quote = (word ^ kOnes * '"') - kOnes;
  const uint64_t backslash = (word ^ kOnes * '\\') - kOnes;
  return ((word | control | quote | backslash) & kHigh) == 0;
}

// Bytes of the UTF-8 sequence beyond ASCII at `from`, of `left`; 0 if it is none (RFC 3629).
size_t sequence(const unsigned char* from, size_t left) {
  const auto follows = [=](size_t i, unsigned low, unsigned high) {
    return i < left && from[i] >= low && from[i] <= high;
  };
  const unsigned first = from[0];
  if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

// The escape of a character that must not stand in a JSON string as it is (RFC 8785, 3.2.2.2).
char* write_escape(char* to, unsigned char character) {
  *to++ = '\\';
  switch (character) {
    case '"':
    case '\\':
      *to++ = static_cast<char>(character);
      return to;
    case '\b':
      *to++ = 'b';
      return to;
    case '\f':
      *to++ = 'f';
      return to;
    case '\n':
      *to++ = 'n';
      return to;
    case '\r':
      *to++ = 'r';
      return to;
    case '\t':
      *to++ = 't';
      return to;
    default:
      to = copy(to, "u00", 3);
      *to++ = static_cast<char>('0' + (character >> 4));
      *to++ = "0123456789abcdef"[character & 15];
      return to;
  }
}

template <typename Offset>
bool write_string(const Column& column, int64_t at, Text& text) {
  Stretch string;
  if (!find<Offset>(column, at, string)) return false;
  const char* from = string.data;
  size_t left = string.size;
  char* to = text.room(left + 2);
  *to++ = '"';
  while (left != 0) {
    if (left >= 8 && are_plain(from)) {
      to = copy(to, from, 8);
      from += 8;
      left -= 8;
      continue;
    }
    // What is special is one of the next eight.
    for (const char* word_end = from + std::min<size_t>(left, 8); from < word_end;) {
      const auto character = static_cast<unsigned char>(*from);
      if (character >= 0x20 && character < 0x80 && character != '"' && character != '\\') {
        *to++ = *from++;
        --left;
      } else if (character >= 0x80) {
        const size_t count = sequence(reinterpret_cast<const unsigned char*>(from), left);
        if (count == 0) return false;
        to = copy(to, from, count);
        from += count;
        left -= count;
      } else {
        text.end_at(to);
        to = write_escape(text.room(left + 6), character);
        ++from;
        --left;
      }
    }
  }
  *to++ = '"';
  text.end_at(to);
  return true;
}

template <typename Offset>
bool write_text(const Column& column, int64_t at, Text& text) {
  Stretch value;
  if (!find<Offset>(column, at, value)) return false;
  text.append(value.data, value.size);
  return true;
}

void write_base64(Stretch bytes, Text& text) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char* to = text.room(bytes.size / 3 * 4 + 6);
  *to++ = '"';
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data);
  for (; bytes.size >= 3; bytes.size -= 3, from += 3) {
    const unsigned word = from[0] << 16u | from[1] << 8u | from[2];
    for (int shift = 18; shift >= 0; shift -= 6) *to++ = kDigits[word >> shift & 63];
  }
  if (bytes.size != 0) {
    const unsigned word = from[0] << 16u | (bytes.size == 2 ? from[1] << 8u : 0u);
    *to++ = kDigits[word >> 18];
    *to++ = kDigits[word >> 12 & 63];
    *to++ = bytes.size == 2 ? kDigits[word >> 6 & 63] : '=';
    *to++ = '=';
  }
  *to++ = '"';
  text.end_at(to);
}

template <typename Offset>
bool write_bytes(const Column& column, int64_t at, Text& text) {
  Stretch bytes;
  if (!find<Offset>(column, at, bytes)) return false;
  write_base64(bytes, text);
  return true;
}

bool write_fixed_bytes(const Column& column, int64_t at, Text& text) {
  const auto* values = static_cast<const char*>(column.values);
  write_base64({values + at * column.width, static_cast<size_t>(column.width)}, text);
  return true;
}

// --- dictionaries --------------------------------------------------------------------------------

template <typename Index>
bool write_coded(const Column& column, int64_t at, Text& text) {
  const auto code = load<Index>(column.values, at);
  const auto index = static_cast<int64_t>(code);  // from 2^63 on, negative
  const Column& values = *column.dictionary;
  if (index < 0 || index >= values.length) return false;
  if (column.text_ends.empty()) return values.write(index, text);
  const size_t begin = column.text_ends[index], end = column.text_ends[index + 1];
  text.append(column.texts.data() + begin, end - begin);
  return true;
}

// --- types ---------------------------------------------------------------------------------------

enum class Layout { kNone, kBits, kValues, kOffsets32, kOffsets64 };

// What a format of the C data interface means.
struct Type {
  Column::Writer writer = nullptr;  // null: not written here
  Column::Writer coded = nullptr;   // for integers: how they point into a dictionary
  Layout layout = Layout::kValues;
  int64_t width = 0, scale = 0;  // bytes of a value; scale of a decimal
  bool zone = false;
};

template <typename T>
Type integer() {
  return {write_integer<T>, write_coded<T>, Layout::kValues, sizeof(T)};
}

Type values(Column::Writer writer, int64_t width) {
  return {writer, nullptr, Layout::kValues, width};
}

bool starts_with(const char* text, const char* with) {
  return std::strncmp(text, with, std::strlen(with)) == 0;
}

Type decimal(const char* format) {  // d:precision,scale[,bits]
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return {};
#endif
  char* end;
  std::strtol(format + 2, &end, 10);
  if (*end != ',') return {};
  const long scale = std::strtol(end + 1, &end, 10);
  const long bits = *end == ',' ? std::strtol(end + 1, &end, 10) : 128;
  if (*end != '\0' || scale < 0 || scale > 76) return {};
  Type type = values(bits == 32    ? write_decimal<1>
                     : bits == 64  ? write_decimal<2>
                     : bits == 128 ? write_decimal<4>
                     : bits == 256 ? write_decimal<8>
                                   : nullptr,
                     bits / 8);
  type.scale = scale;
  return type;
}

Type time_type(const char* format) {
  if (format[1] == 's') {  // tsu: or tsu:Europe/Berlin
    if (std::strlen(format) < 4 || format[3] != ':') return {};
    Type type = values(format[2] == 's'   ? write_timestamp<1>
                       : format[2] == 'm' ? write_timestamp<1000>
                       : format[2] == 'u' ? write_timestamp<1000000>
                       : format[2] == 'n' ? write_timestamp<1000000000>
                                          : nullptr,
                       8);
    type.zone = format[4] != '\0';
    return type;
  }
  const struct {
    const char* format;
    Column::Writer writer;
    int64_t width;
  } known[] = {
      {"tdD", write_date32, 4},
      {"tdm", write_date64, 8},
      {"tts", write_time<int32_t, 1>, 4},
      {"ttm", write_time<int32_t, 1000>, 4},
      {"ttu", write_time<int64_t, 1000000>, 8},
      {"ttn", write_time<int64_t, 1000000000>, 8},
      {"tDs", write_duration<1>, 8},
      {"tDm", write_duration<1000>, 8},
      {"tDu", write_duration<1000000>, 8},
      {"tDn", write_duration<1000000000>, 8},
  };
  for (const auto& type : known) {
    if (std::strcmp(format, type.format) == 0) return values(type.writer, type.width);
  }
  return {};
}

Type type_of(const char* format) {
  if (!kWritesDoubles || format == nullptr) return {};
  if (starts_with(format, "d:")) return decimal(format);
  if (starts_with(format, "w:")) {
    char* end;
    const long long width = std::strtoll(format + 2, &end, 10);
    return *end == '\0' && width >= 0 ? values(write_fixed_bytes, width) : Type{};
  }
  if (format[0] == 't') return time_type(format);
  if (format[0] == '\0' || format[1] != '\0') return {};
  switch (format[0]) {
    case 'n':
      return {write_null, nullptr, Layout::kNone};
    case 'b':
      return {write_boolean, nullptr, Layout::kBits};
    case 'c':
      return integer<int8_t>();
    case 'C':
      return integer<uint8_t>();
    case 's':
      return integer<int16_t>();
    case 'S':
      return integer<uint16_t>();
    case 'i':
      return integer<int32_t>();
    case 'I':
      return integer<uint32_t>();
    case 'l':
      return integer<int64_t>();
    case 'L':
      return integer<uint64_t>();
    case 'e':
      return values(write_half, 2);
    case 'f':
      return values(write_float<float>, 4);
    case 'g':
      return values(write_float<double>, 8);
    case 'u':
      return {write_string<int32_t>, nullptr, Layout::kOffsets32};
    case 'U':
      return {write_string<int64_t>, nullptr, Layout::kOffsets64};
    case 'z':
      return {write_bytes<int32_t>, nullptr, Layout::kOffsets32};
    case 'Z':
      return {write_bytes<int64_t>, nullptr, Layout::kOffsets64};
    default:
      return {};
  }
}

}  // namespace

bool Column::writes(const ArrowSchema& type) {
  const Type found = type_of(type.format);
  if (type.dictionary == nullptr) return found.writer != nullptr;
  return found.coded != nullptr && type.dictionary->dictionary == nullptr &&
         writes(*type.dictionary);
}

bool Column::of(const ArrowSchema& type, const ArrowArray& array) {
  if (!writes(type)) return false;
  const Type found = type_of(type.format);
  writer = found.writer;
  width = found.width;
  scale = found.scale;
  zone = found.zone;
  offset = array.offset;
  length = array.length;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 2;
  if (offset < 0 || length < 0 || offset > kMost || length > kMost) return false;
  if (found.layout == Layout::kNone) return true;

  const bool has_offsets = found.layout == Layout::kOffsets32 || found.layout == Layout::kOffsets64;
  if (array.n_buffers != (has_offsets ? 3 : 2) || array.buffers == nullptr) return false;
  if (array.null_count != 0) validity = static_cast<const uint8_t*>(array.buffers[0]);
  values = array.buffers[1];
  if (values == nullptr && length != 0 && width != 0) return false;
  if (has_offsets && length != 0) {
    if (values == nullptr) return false;
    data = static_cast<const char*>(array.buffers[2]);
    data_size = found.layout == Layout::kOffsets32 ? load<int32_t>(values, offset + length)
                                                   : load<int64_t>(values, offset + length);
    if (data == nullptr && data_size != 0) return false;
  }
  if (found.layout == Layout::kBits && values == nullptr && length != 0) return false;
  if (type.dictionary == nullptr) return true;

  writer = found.coded;
  dictionary = std::make_unique<Column>();
  if (array.dictionary == nullptr || !dictionary->of(*type.dictionary, *array.dictionary)) {
    return false;
  }
  if (dictionary->length > length) return true;
  text_ends.push_back(0);
  for (int64_t i = 0; i < dictionary->length; ++i) {
    if (!dictionary->write(i, texts)) return false;
    text_ends.push_back(texts.size());
  }
  return true;
}

bool Column::take_as_texts() {
  if (writer == write_string<int32_t> || writer == write_bytes<int32_t>) {
    writer = write_text<int32_t>;
  } else if (writer == write_string<int64_t> || writer == write_bytes<int64_t>) {
    writer = write_text<int64_t>;
  } else {
    return false;
  }
  return true;
}

bool Rows::of(const ArrowSchema& type, const ArrowArray& batch,
              const std::vector<std::string>& pieces, const std::vector<bool>& is_text) {
  for (const std::string& piece : pieces) {
    pieces_.push_back({piece, piece.size()});
    pieces_.back().bytes.resize(std::max(piece.size(), kShort));
  }
  count_ = batch.length;
  const size_t columns = pieces_.size() - 1;
  if (type.format == nullptr || std::strcmp(type.format, "+s") != 0 || batch.null_count > 0 ||
      type.n_children != static_cast<int64_t>(columns) || batch.n_children != type.n_children ||
      is_text.size() != columns || count_ < 0 || batch.offset != 0) {
    return false;
  }
  columns_.resize(columns);
  for (size_t i = 0; i < columns; ++i) {
    if (!columns_[i].of(*type.children[i], *batch.children[i]) || columns_[i].length < count_ ||
        (is_text[i] && !columns_[i].take_as_texts())) {
      return false;
    }
  }
  return true;
}

}  // namespace provenance
