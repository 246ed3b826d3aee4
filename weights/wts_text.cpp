#include "weights/wts_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "layerwise/error.h"
#include "weights/foreign_file.h"
#include "weights/hex.h"

namespace layerwise {
namespace {

constexpr std::size_t kWordStride = 9;       // one space and eight digits
constexpr std::size_t kItemWords = 1 << 16;  // what a thread claims at a time, 576 KB of text
constexpr std::size_t kParallelBytes = 1 << 18;

bool isBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

const char* skipBlanks(const char* p, const char* end) {
  while (p != end && isBlank(*p)) ++p;
  return p;
}

const char* skipToken(const char* p, const char* end) {
  while (p != end && !isBlank(*p) && *p != '\n') ++p;
  return p;
}

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// Where one tensor stands in the text.
struct Line {
  std::string_view key;
  std::int64_t count = 0;
  std::size_t number = 0;
  const char* begin = nullptr;
  const char* values = nullptr;  // regular: the space before the first word; else behind the count
  const char* end = nullptr;     // the newline or the text's end
  bool regular = false;          // the values ought to be `count` words of nine characters
};

class Parser {
 public:
  /// With `trustCounts` a line whose end lies where its count puts it, if every word takes nine
  /// characters, is not searched for its end, which saves one pass over the text. The words' own
  /// check tells when that was wrong.
  Parser(std::string_view text, const std::string& label, bool trustCounts)
      : p_(text.data()),
        end_(text.data() + text.size()),
        label_(label),
        trustCounts_(trustCounts) {}

  void readHeader();
  WtsTensors parse(int threads);

 private:
  struct Item {
    std::size_t line;
    std::size_t first;
    std::size_t words;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kBadFile, fmt::format("[{}] {}", label_, what));
  }
  [[noreturn]] void failAt(const Line& line, const std::string& what) const {
    fail(fmt::format("line {}, key '{}': {}", line.number, printable(line.key), what));
  }
  [[noreturn]] void failFewer(const Line& line, std::int64_t held) const {
    failAt(line, fmt::format("{} values, but its count says {}{}", held, line.count,
                             line.end == end_ ? "; the file is truncated" : ""));
  }
  std::int64_t number(std::string_view token, const std::string& what) const;
  bool nextLine();
  void readLines();
  Line readLine();
  std::vector<Item> divide() const;
  void decode(const Item& item);
  std::size_t decodeIrregular(const Line& line, float* out) const;
  void checkLastWord() const;

  const char* p_;
  const char* const end_;
  const std::string& label_;
  const bool trustCounts_;
  std::size_t lineNumber_ = 1;
  std::size_t headerLine_ = 0;
  std::int64_t declared_ = 0;
  std::vector<Line> lines_;
  WtsTensors result_;
  std::atomic<std::size_t> shortWords_{0};
};

std::int64_t Parser::number(std::string_view token, const std::string& what) const {
  std::int64_t value = 0;
  const auto [rest, code] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (code == std::errc::result_out_of_range)
    fail(fmt::format("{} '{}' is out of range", what, printable(token)));
  if (code != std::errc() || rest != token.data() + token.size())
    fail(fmt::format("{} '{}' is not a number", what, printable(token)));
  if (value < 0) fail(fmt::format("{} is negative: {}", what, value));
  return value;
}

/// Steps over blank lines to the first character of the next one that is not; false at the end.
bool Parser::nextLine() {
  while (true) {
    const char* const first = skipBlanks(p_, end_);
    if (first == end_) return false;
    if (*first != '\n') return true;
    p_ = first + 1;
    ++lineNumber_;
  }
}

void Parser::readHeader() {
  if (p_ == end_) fail("is empty");
  if (const std::string foreign = describeForeignFile(between(p_, end_)); !foreign.empty())
    fail(foreign);
  if (!nextLine()) fail("holds nothing but blanks");
  headerLine_ = lineNumber_;
  const char* const first = skipBlanks(p_, end_);
  const char* const last = skipToken(first, end_);
  declared_ =
      number(between(first, last),
             fmt::format("line {}: the number of tensors, which a .wts begins with,", headerLine_));
  p_ = skipBlanks(last, end_);
  if (p_ == end_) return;
  if (*p_ != '\n')
    fail(fmt::format("line {}: '{}' follows the number of tensors", headerLine_,
                     printable(between(p_, skipToken(p_, end_)))));
  ++p_;
  ++lineNumber_;
}

Line Parser::readLine() {
  Line line;
  line.number = lineNumber_;
  line.begin = p_;
  const char* const key = skipBlanks(p_, end_);
  p_ = skipToken(key, end_);
  line.key = between(key, p_);
  const char* const count = skipBlanks(p_, end_);
  p_ = skipToken(count, end_);
  if (p_ == count)
    failAt(line, p_ == end_ ? "no count follows it; the file is truncated" : "no count follows it");
  line.count = number(between(count, p_), fmt::format("line {}, key '{}': the count of values",
                                                      line.number, printable(line.key)));

  const char* const first = skipBlanks(p_, end_);
  const auto words = static_cast<std::uint64_t>(line.count);
  if (trustCounts_ && first > p_ && words <= static_cast<std::size_t>(end_ - first) / 8) {
    const char* const last = words == 0 ? first : first - 1 + words * kWordStride;
    if (last <= end_) {
      const char* const next = skipBlanks(last, end_);
      if (next == end_ || *next == '\n') {
        line.regular = true;
        line.values = first - 1;
        line.end = next;
      }
    }
  }
  if (!line.regular) {
    const void* const newline = std::memchr(p_, '\n', static_cast<std::size_t>(end_ - p_));
    line.end = newline != nullptr ? static_cast<const char*>(newline) : end_;
    line.values = p_;
    // A value takes two characters at least: no count makes us allocate more than twice the file.
    if (words > static_cast<std::size_t>(line.end - p_) / 2) {
      std::int64_t held = 0;
      for (const char* p = skipBlanks(p_, line.end); p != line.end; p = skipBlanks(p, line.end)) {
        p = skipToken(p, line.end);
        ++held;
      }
      failFewer(line, held);
    }
  }
  p_ = line.end;
  if (p_ != end_) {
    ++p_;
    ++lineNumber_;
  }
  return line;
}

void Parser::readLines() {
  std::unordered_map<std::string_view, std::size_t> lineOfKey;
  while (nextLine()) {
    if (static_cast<std::int64_t>(lines_.size()) == declared_) {
      const char* const key = skipBlanks(p_, end_);
      fail(fmt::format("line {}, key '{}': one tensor more than the {} that line {} says",
                       lineNumber_, printable(between(key, skipToken(key, end_))), declared_,
                       headerLine_));
    }
    lines_.push_back(readLine());
    const Line& line = lines_.back();
    const auto [entry, isNew] = lineOfKey.emplace(line.key, line.number);
    if (!isNew) failAt(line, fmt::format("the key stands on line {} already", entry->second));
  }
  if (static_cast<std::int64_t>(lines_.size()) < declared_) {
    const std::string last =
        lines_.empty() ? "" : fmt::format(", the last of them '{}'", printable(lines_.back().key));
    fail(fmt::format("line {} says {} tensors, the file ends on line {} after {}{}", headerLine_,
                     declared_, lineNumber_, lines_.size(), last));
  }
}

std::vector<Parser::Item> Parser::divide() const {
  std::vector<Item> items;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const auto count = static_cast<std::size_t>(lines_[i].count);
    if (!lines_[i].regular) {
      items.push_back({i, 0, count});
      continue;
    }
    for (std::size_t first = 0; first < count; first += kItemWords)
      items.push_back({i, first, std::min(kItemWords, count - first)});
  }
  return items;
}

void Parser::decode(const Item& item) {
  const Line& line = lines_[item.line];
  float* const out = result_.values.get() + result_.tensors[item.line].offset + item.first;
  if (!line.regular) {
    shortWords_ += decodeIrregular(line, out);
    return;
  }
  const std::size_t done = decodeHexWords(line.values + item.first * kWordStride, item.words, out);
  if (done != item.words) failAt(line, fmt::format("value {} is malformed", item.first + done + 1));
}

/// Takes words of one to eight digits, with or without 0x, separated by any blanks; returns how
/// many had fewer than eight digits.
std::size_t Parser::decodeIrregular(const Line& line, float* out) const {
  std::size_t shortWords = 0;
  const char* p = line.values;
  bool mayBeRegular = true;
  for (std::int64_t i = 0; i < line.count;) {
    if (mayBeRegular) {
      const auto room = std::min<std::size_t>(line.count - i, (line.end - p) / kWordStride);
      const std::size_t done = decodeHexWords(p, room, out + i);
      p += done * kWordStride;
      i += static_cast<std::int64_t>(done);
      // The last of these words may go on behind its eighth digit; then it is read once more.
      if (done > 0 && p != line.end && !isBlank(*p)) {
        p -= kWordStride;
        --i;
      }
      if (i == line.count) break;
    }
    const char* const word = skipBlanks(p, line.end);
    if (word == line.end) failFewer(line, i);
    p = word;
    if (line.end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) p += 2;
    std::uint64_t characters = 0;
    std::memcpy(&characters, p, std::min<std::size_t>(end_ - p, sizeof characters));
    const HexPrefix prefix = hexPrefix(characters);
    p += prefix.digits;
    if (prefix.digits == 0 || (p != line.end && !isBlank(*p)))
      failAt(line, fmt::format("value {} of {}, column {}: '{}' is not 1 to 8 hexadecimal digits",
                               i + 1, line.count, word - line.begin + 1,
                               printable(between(word, skipToken(word, line.end)), 24)));
    std::memcpy(out + i, &prefix.value, sizeof prefix.value);
    ++i;
    if (prefix.digits < 8) ++shortWords;
    // Words like this one seldom come alone; the vector path waits for one in the usual form.
    mayBeRegular = p - word == 8;
  }
  p = skipBlanks(p, line.end);
  if (p != line.end)
    failAt(line,
           fmt::format("more than the {} values that its count says; column {}: '{}'", line.count,
                       p - line.begin + 1, printable(between(p, skipToken(p, line.end)), 24)));
  return shortWords;
}

/// Words need no zeros in front and the file no newline at its end, so a file cut inside its last
/// word could pass. It does not where no other word is short, nor where that word begins with 0.
void Parser::checkLastWord() const {
  if (lines_.empty() || lines_.back().count == 0 || lines_.back().end != end_) return;
  const char* last = end_;
  while (isBlank(last[-1])) --last;
  if (last != end_) return;
  const char* first = last;
  while (!isBlank(first[-1])) --first;
  std::string_view word = between(first, last);
  if (word.size() > 2 && (word[1] == 'x' || word[1] == 'X')) word.remove_prefix(2);
  if (word.size() == 8) return;
  if (shortWords_ > 1 && (word.size() == 1 || word[0] != '0')) return;
  failAt(lines_.back(), fmt::format("the file ends inside the last value, '{}': it is truncated",
                                    printable(word)));
}

WtsTensors Parser::parse(int threads) {
  const auto size = static_cast<std::size_t>(end_ - p_);
  readHeader();
  readLines();

  constexpr std::size_t kAlign = kTensorAlignment / sizeof(float);
  std::size_t total = 0;
  result_.tensors.reserve(lines_.size());
  for (const Line& line : lines_) {
    result_.tensors.push_back({std::string(line.key), total, line.count});
    total += (static_cast<std::size_t>(line.count) + kAlign - 1) / kAlign * kAlign;
  }
  result_.values = allocateFloats(total);

  const std::vector<Item> items = divide();
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failedItem = items.size();
  std::exception_ptr failure;
  // Items are claimed in order, so those before a bad one are all claimed and finished too: the
  // error reported is the file's first, on any number of threads.
  const auto work = [&] {
    for (std::size_t i; (i = next++) < items.size();) {
      try {
        decode(items[i]);
      } catch (...) {
        next = items.size();
        const std::lock_guard lock(mutex);
        if (i < failedItem) {
          failedItem = i;
          failure = std::current_exception();
        }
      }
    }
  };
  if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
  if (size < kParallelBytes) threads = 1;
  {
    std::vector<std::jthread> helpers;
    const auto wanted = std::min<std::size_t>(threads, items.size());
    try {
      while (helpers.size() + 1 < wanted) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // The system has no more threads to give; the work gets done with those there are.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
  checkLastWord();
  return std::move(result_);
}

}  // namespace

WtsTensors parseWts(std::string_view text, const std::string& label, int threads) {
  try {
    return Parser(text, label, true).parse(threads);
  } catch (const Error&) {
    // A count that misplaces its line's end makes every later message doubtful; so the text is read
    // again, each line searched for its end, and what is wrong is named by that.
    return Parser(text, label, false).parse(threads);
  }
}

void checkWtsHead(std::string_view text, const std::string& label) {
  Parser(text, label, true).readHeader();
}

}  // namespace layerwise
