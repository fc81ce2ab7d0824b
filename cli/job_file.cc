// SPDX-License-Identifier: Apache-2.0
#include "cli/job_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "mapreduce/engine/closest_name.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

// Parts of one key, "a.b.c". The parser makes a table of each, takes them down by recursion and has
// no bound of its own: what fits into a file doesn't fit onto the stack. It does bound how deep
// values lie in each other (256).
constexpr int kKeyPartsMax = 8;

constexpr char kJobKey[] = "job";

std::string KeyOf(const FlagSpec& flag) { return flag.name.substr(2); }

// Behind the string that begins at `at`: "…", '…', or either with three quotes. One that has no end
// goes to the end of its line, or of the text.
std::size_t SkipString(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool is_long = text.substr(at, 3) == std::string(3, quote);
  const std::string end(is_long ? 3 : 1, quote);
  for (at += end.size(); at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;  // A newline, too: a short string that has one is no TOML anyway.
    } else if (text[at] == '\n' && !is_long) {
      return at;
    } else if (text.substr(at, end.size()) == end) {
      at += end.size();  // Up to two more quotes may belong to it: """a"""""
      for (int more = 0; is_long && more < 2 && text.substr(at, 1) == end.substr(0, 1); ++more)
        ++at;
      return at;
    }
  }
  return text.size();
}

std::size_t CodePoints(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string PlaceText(const std::string& path, std::size_t line, std::size_t column) {
  return Printable(path) + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string PlaceAt(const std::string& path, std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  return PlaceText(path, lines + 1, CodePoints(before.substr(before.rfind('\n') + 1)) + 1);
}

// What the parser must not see, for it has no bound on it: keys with more than kKeyPartsMax parts;
// nor letters beyond ASCII where TOML has none, which it may take for blanks. As far as the text is
// TOML, dots outside of strings and comments are those of keys, and a few of numbers.
Status CheckOutline(const std::string& path, std::string_view text) {
  int parts = 1;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = SkipString(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (static_cast<unsigned char>(c) >= 0x80) {
      return Status::InvalidArgument(PlaceAt(path, text, at),
                                     ": not TOML: other letters than ASCII stand in quotes");
    }
    if (c == '.' && ++parts > kKeyPartsMax) {
      return Status::InvalidArgument(PlaceAt(path, text, at), ": a key has more than ",
                                     kKeyPartsMax, " parts");
    }
    if (std::string_view("=,[]{}\n").find(c) != std::string_view::npos) parts = 1;
    ++at;
  }
  return Status::Ok();
}

// What a value may be, read from how the table writes it: "N|P%", "[NAME=]PATTERN", "K=V".
struct ValueTypes {
  explicit ValueTypes(const FlagSpec& flag) {
    std::string_view rest = flag.value;
    if (NamesOf(flag) != ValueNames::kNone) rest.remove_prefix(rest.find('=') + 1);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('|'), rest.size());
      const std::string_view word = rest.substr(0, end);
      is_any |= word == "V";
      is_count |= word == "N" || word == "SIZE" || word == "MS" || word == "S";
      is_date |= word == "YYYY-MM-DD";
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  bool is_any = false, is_count = false, is_date = false;
};

// "a string or an integer (N|P%)".
std::string Expected(const FlagSpec& flag) {
  if (flag.value.empty()) return "true or false";
  const ValueTypes types(flag);
  if (types.is_any) return "a string, a number, true, false or a date";
  std::string text = "a string";
  if (types.is_count) text += " or an integer";
  if (types.is_date) text += " or a date";
  return text + " (" + flag.value + ")";
}

const char* TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::none:
      return "nothing";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date with a time";
  }
  return "something else";
}

std::string DateText(const toml::date& date) {
  char text[16];
  std::snprintf(text, sizeof(text), "%04u-%02u-%02u", unsigned{date.year}, unsigned{date.month},
                unsigned{date.day});
  return text;
}

// The reader of one file: toml++ has parsed it, this gives it meaning.
class Reader {
 public:
  Reader(const CommandSpec& command, const std::string& path, std::string_view text)
      : command_(command), path_(path), text_(text) {}

  std::string Place(const toml::source_position& at) const {
    return PlaceText(path_, at.line, at.column);
  }

  Result<JobFile> Read(const toml::table& table) {
    for (const Entry& entry : InOrder(table)) MR_RETURN_IF_ERROR(ReadEntry(entry));
    if (file_.job.empty()) return NoJob(table);
    return std::move(file_);
  }

 private:
  struct Entry {
    const toml::key* key;
    const toml::node* node;
  };

  // The table is sorted by key; messages are about the first mistake of the file.
  static std::vector<Entry> InOrder(const toml::table& table) {
    std::vector<Entry> entries;
    for (const auto& [key, node] : table) entries.push_back({&key, &node});
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.key->source().begin < b.key->source().begin;
    });
    return entries;
  }

  template <class... Parts>
  Status Mistake(const toml::source_position& at, const Parts&... parts) const {
    return Status::InvalidArgument(Place(at), ": ", parts...);
  }

  Status NoJob(const toml::table& table) const {
    for (const Entry& entry : InOrder(table)) {
      const toml::table* const below = entry.node->as_table();
      if (below == nullptr || !below->contains(kJobKey)) continue;
      return Mistake(below->find(kJobKey)->first.source().begin, "job stands below [",
                     Printable(entry.key->str()), "]; move it above the first [table]");
    }
    return Status::InvalidArgument(Printable(path_),
                                   " names no job; begin it with a line such as job = ",
                                   "\"toplist\" (`millrace jobs` lists them)");
  }

  Status ReadEntry(const Entry& entry) {
    const toml::source_position at = entry.key->source().begin;
    const std::string key(entry.key->str());
    if (key == kJobKey) return ReadJob(*entry.node, at);
    const auto flag = std::find_if(command_.flags.begin(), command_.flags.end(),
                                   [&key](const FlagSpec& each) { return KeyOf(each) == key; });
    if (flag == command_.flags.end()) return UnknownKey(key, at);
    const toml::table* const table = entry.node->as_table();
    if (table != nullptr && NamesOf(*flag) != ValueNames::kNone) {
      std::string name;
      return ReadNames(*flag, *table, &name);
    }
    if (NamesOf(*flag) == ValueNames::kRequired) {
      return Mistake(at, key, " must be a table, a line [", key, "] with lines NAME = VALUE below,",
                     " not ", TypeName(*entry.node));
    }
    if (entry.node->is_array() && flag->repeats) return ReadArray(*flag, key, "", *entry.node);
    return ReadScalar(*flag, key, "", *entry.node, at);
  }

  Status UnknownKey(const std::string& key, const toml::source_position& at) const {
    std::vector<std::string> keys = {kJobKey};
    for (const FlagSpec& flag : command_.flags) keys.push_back(KeyOf(flag));
    return Mistake(at, "unknown key ", Printable(key), DidYouMean(key, keys),
                   "; keys are the flags of `millrace ", command_.name,
                   " --help`, without dashes; ", "a job's parameters stand below [param]");
  }

  Status ReadJob(const toml::node& node, const toml::source_position& at) {
    const auto* const name = node.as_string();
    if (name == nullptr) return Mistake(at, "job must be a string, not ", TypeName(node));
    file_.job = name->get();
    file_.job_place = Place(at);
    const bool is_name = !file_.job.empty() && file_.job[0] != '-' &&
                         !file_.job.ends_with(".toml") && file_.job.find('\0') == std::string::npos;
    if (is_name) return Status::Ok();
    return Mistake(at, "job must be the name of a job, not '", Printable(file_.job),
                   "'; `millrace jobs` lists them");
  }

  // The lines of a table of names. `name`: of the tables above, "a.", and the same afterwards.
  Status ReadNames(const FlagSpec& flag, const toml::table& table, std::string* name) {
    const std::size_t above = name->size();
    for (const Entry& entry : InOrder(table)) {
      const toml::source_position at = entry.key->source().begin;
      const std::string_view own = entry.key->str();
      if (own.empty() || own.find('=') != std::string_view::npos ||
          own.find('\0') != std::string_view::npos) {
        return Mistake(at, "'", Printable(own), "' can be no name in [", KeyOf(flag), "]");
      }
      name->append(own);
      const std::string key = KeyOf(flag) + "." + *name;
      if (const toml::table* const below = entry.node->as_table(); below != nullptr) {
        *name += ".";
        MR_RETURN_IF_ERROR(ReadNames(flag, *below, name));
      } else if (entry.node->is_array() && NamesOf(flag) == ValueNames::kOptional) {
        MR_RETURN_IF_ERROR(ReadArray(flag, key, *name, *entry.node));
      } else {
        MR_RETURN_IF_ERROR(ReadScalar(flag, key, *name, *entry.node, at));
      }
      name->resize(above);
    }
    return Status::Ok();
  }

  Status ReadArray(const FlagSpec& flag, const std::string& key, const std::string& name,
                   const toml::node& array) {
    for (const toml::node& element : *array.as_array())
      MR_RETURN_IF_ERROR(ReadScalar(flag, key, name, element, element.source().begin));
    return Status::Ok();
  }

  Status ReadScalar(const FlagSpec& flag, const std::string& key, const std::string& name,
                    const toml::node& node, const toml::source_position& at) {
    const auto add = [&](const std::string& value) {
      file_.values.push_back({.flag = flag.name,
                              .name = name,
                              .value = name.empty() ? value : name + "=" + value,
                              .place = Place(at)});
      return Status::Ok();
    };
    const ValueTypes types(flag);
    if (flag.value.empty()) {
      if (const auto* const is_on = node.as_boolean(); is_on != nullptr)
        return is_on->get() ? add("") : Status::Ok();
    } else if (const auto* const text = node.as_string(); text != nullptr) {
      if (text->get().empty() && !types.is_any)
        return Mistake(at, Printable(key), " is empty; say the value, or leave the line out");
      if (text->get().find('\0') != std::string::npos)
        return Mistake(at, Printable(key), " holds a zero byte, which no flag can take");
      return add(text->get());
    } else if (const auto* const count = node.as_integer(); count != nullptr) {
      if (types.is_any || types.is_count) return add(std::to_string(count->get()));
    } else if (const auto* const date = node.as_date(); date != nullptr) {
      if (types.is_any || types.is_date) return add(DateText(date->get()));
    } else if (node.is_floating_point()) {
      if (types.is_any) return add(NumberText(node.source()));
    } else if (const auto* const is_true = node.as_boolean(); is_true != nullptr) {
      if (types.is_any) return add(is_true->get() ? "true" : "false");
    }
    return WrongType(flag, key, node, at);
  }

  Status WrongType(const FlagSpec& flag, const std::string& key, const toml::node& node,
                   const toml::source_position& at) const {
    // `parts = 4` below [input] is a flag that stands too low.
    std::string hint;
    const std::size_t dot = key.find('.');
    for (const FlagSpec& other : command_.flags) {
      if (dot == std::string::npos || KeyOf(other) != key.substr(dot + 1)) continue;
      hint = "; or move " + KeyOf(other) + " above the first [table]";
    }
    return Mistake(at, Printable(key), " must be ", Expected(flag), ", not ", TypeName(node), hint);
  }

  // A number with a point as it is written: 1.10 stays 1.10 where the parameter is a version.
  std::string NumberText(const toml::source_region& region) const {
    std::size_t at = 0;
    for (std::size_t line = 1; line < region.begin.line; ++line) at = text_.find('\n', at) + 1;
    std::string number;
    for (std::size_t column = 0; at < text_.size() && column + 1 < region.end.column; ++at) {
      column += (static_cast<unsigned char>(text_[at]) & 0xC0) != 0x80 ? 1 : 0;  // Of code points.
      if (column >= region.begin.column && text_[at] != '_') number += text_[at];
    }
    return number;
  }

  const CommandSpec& command_;
  const std::string& path_;
  const std::string_view text_;
  JobFile file_;
};

// toml++'s description, "Error while parsing WHAT: …", and what is most often the cause.
std::string SyntaxMistake(std::string_view description) {
  constexpr std::string_view kBegin = "Error while parsing ";
  std::string text = "not TOML: ";
  if (description.starts_with(kBegin)) {
    description.remove_prefix(kBegin.size());
    text += "in the ";
  }
  text += Printable(description);
  for (const char* const what : {"value:", "floating-point:", "boolean:", "decimal integer:",
                                 "date:", "time:", "date-time:"}) {
    if (description.starts_with(what)) return text + "; text stands in quotes";
  }
  return text;
}

}  // namespace

ValueNames NamesOf(const FlagSpec& flag) {
  if (flag.value.find('=') == std::string::npos) return ValueNames::kNone;
  return flag.value[0] == '[' ? ValueNames::kOptional : ValueNames::kRequired;
}

Result<std::string> LoadJobFile(const std::string& path) {
  const auto unreadable = [&path] {
    return Status::NotFound("cannot read the job file ", Printable(path), ": ",
                            std::strerror(errno));
  };
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return unreadable();
  std::string text(kFileBytesMax + 1, '\0');
  std::size_t bytes = 0;
  ssize_t got = 1;
  while (got > 0 && bytes < text.size()) {
    got = read(fd, text.data() + bytes, text.size() - bytes);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got > 0)
      bytes += static_cast<std::size_t>(got);
  }
  const Status status = got < 0 ? unreadable() : Status::Ok();
  close(fd);
  MR_RETURN_IF_ERROR(status);
  if (bytes > kFileBytesMax) {
    return Status::InvalidArgument("the job file ", Printable(path),
                                   " has more than 1 MiB; is it one? `millrace run --help` shows ",
                                   "what one looks like");
  }
  text.resize(bytes);
  return text;
}

Result<JobFile> ParseJobFile(const CommandSpec& command, const std::string& path,
                             std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  MR_RETURN_IF_ERROR(CheckOutline(path, text));
  Reader reader(command, path, text);
  // The parser throws; behind this, nothing does.
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return Status::InvalidArgument(reader.Place(error.source().begin), ": ",
                                   SyntaxMistake(error.description()));
  }
  return reader.Read(table);
}

}  // namespace millrace
