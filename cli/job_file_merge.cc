// SPDX-License-Identifier: Apache-2.0
#include "cli/job_file_merge.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>

#include "mapreduce/api/job.h"
#include "mapreduce/engine/modules.h"
#include "mapreduce/engine/plan.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

// A message names at most so many places.
constexpr std::size_t kPlacesMax = 3;

const FlagSpec* FindFlag(const CommandSpec& command, const std::string& name) {
  for (const FlagSpec& flag : command.flags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

std::string NameIn(const std::string& value) { return value.substr(0, value.find('=')); }

// The input that a [NAME=]VALUE is for: NAME is a name only where the job has that input.
std::string InputOf(const std::string& value, const std::vector<std::string>& inputs) {
  const std::size_t equals = value.find('=');
  if (equals != std::string::npos) {
    const std::string name = value.substr(0, equals);
    if (std::find(inputs.begin(), inputs.end(), name) != inputs.end()) return name;
  }
  return inputs.empty() ? "" : inputs[0];
}

class Merge {
 public:
  Merge(const Arguments& given, const JobFile& file) : given_(given), file_(file) {
    merged_.command = given.command;
    merged_.argument = file.job;
    merged_.argument_place = file.job_place;
  }

  Result<Arguments> Run(const InputNames& input_names) {
    for (const FlagSpec& flag : given_.command->flags) {
      const bool is_by_input = NamesOf(flag) == ValueNames::kOptional;
      if (!is_by_input) MergeFlag(flag, {});
    }
    // These need to know the job's inputs, and the job may need what is merged above.
    for (const FlagSpec& flag : given_.command->flags) {
      if (NamesOf(flag) != ValueNames::kOptional) continue;
      std::vector<std::string> inputs;
      if (given_.Has(flag.name) && IsInFile(flag)) {
        MR_ASSIGN_OR_RETURN(inputs, input_names(merged_));
      }
      MergeFlag(flag, inputs);
    }
    for (const FileValue& value : file_.values) {
      if (kept_.contains(&value)) merged_.from_file.push_back(value);
    }
    Spell();
    return std::move(merged_);
  }

 private:
  bool IsInFile(const FlagSpec& flag) const {
    return std::any_of(file_.values.begin(), file_.values.end(),
                       [&flag](const FileValue& value) { return value.flag == flag.name; });
  }

  // What the value replaces where it is given again: all of the flag, or one name.
  static std::string Slot(const FlagSpec& flag, const std::string& value,
                          const std::vector<std::string>& inputs) {
    switch (NamesOf(flag)) {
      case ValueNames::kNone:
        return "";
      case ValueNames::kOptional:
        return InputOf(value, inputs);
      case ValueNames::kRequired:
        return NameIn(value);
    }
    return "";
  }

  // A name in the file is one, also where the job has no such input: that is for the run to say.
  static std::string Slot(const FlagSpec& flag, const FileValue& value,
                          const std::vector<std::string>& inputs) {
    return value.name.empty() ? Slot(flag, value.value, inputs) : value.name;
  }

  void MergeFlag(const FlagSpec& flag, const std::vector<std::string>& inputs) {
    const std::vector<std::string> given = given_.All(flag.name);
    std::set<std::string> replaced;
    for (const std::string& value : given) replaced.insert(Slot(flag, value, inputs));
    std::vector<std::string> values;
    for (const FileValue& value : file_.values) {
      if (value.flag != flag.name || replaced.contains(Slot(flag, value, inputs))) continue;
      values.push_back(value.value);
      kept_.insert(&value);
    }
    values.insert(values.end(), given.begin(), given.end());
    if (!values.empty()) merged_.values[flag.name] = values;
  }

  // The words that say the same without the file. A value that begins like a flag stands behind
  // "=".
  void Spell() {
    merged_.words = {merged_.argument};
    for (const FlagSpec& flag : given_.command->flags) {
      for (const std::string& value : merged_.All(flag.name)) {
        if (value.starts_with('-')) {
          merged_.words.push_back(flag.name + "=" + value);
        } else {
          merged_.words.push_back(flag.name);
          if (!flag.value.empty()) merged_.words.push_back(value);
        }
      }
    }
  }

  const Arguments& given_;
  const JobFile& file_;
  std::set<const FileValue*> kept_;  // Of the file's.
  Arguments merged_;
};

// A word of a shell's command line: as it is, in '…', or in $'…' where it must stay one line.
std::string ShellWord(const std::string& word) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./:,=@%+").find(c) != std::string_view::npos;
  };
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  const bool has_controls = std::any_of(word.begin(), word.end(), is_control);
  std::string quoted = has_controls ? "$'" : "'";
  for (const char c : word) {
    if (has_controls && is_control(c)) {
      char text[8];
      std::snprintf(text, sizeof(text), "\\%03o", unsigned{static_cast<unsigned char>(c)});
      quoted += text;
    } else if (has_controls && (c == '\'' || c == '\\')) {
      quoted += {'\\', c};
    } else if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

// Whether `text` holds `word`, and not as a piece of a longer name.
bool HasWord(std::string_view text, std::string_view word) {
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_name(text[at - 1])) && (end == text.size() || !is_name(text[end])))
      return true;
  }
  return false;
}

// Whether the message is about this very value, not only about its flag.
bool IsAbout(const std::string& message, const FlagSpec& flag, const FileValue& value) {
  if (NamesOf(flag) == ValueNames::kRequired)
    return HasWord(message, "parameter " + Printable(value.name));
  const std::string bare =
      value.name.empty() ? value.value : value.value.substr(value.name.size() + 1);
  if (bare.empty()) return false;  // A switch.
  const bool is_quoted = message.find("'" + Printable(bare) + "'") != std::string::npos;
  return is_quoted || (flag.repeats && HasWord(message, bare));
}

bool IsRelativePath(const FlagSpec& flag, const FileValue& value) {
  const bool is_path = flag.value.find("PATTERN") != std::string::npos ||
                       flag.value.find("FILE") != std::string::npos;
  const std::string_view path =
      std::string_view(value.value).substr(value.name.empty() ? 0 : value.name.size() + 1);
  return is_path && !path.starts_with('/');
}

// Those of the file's values that the message is about: the very ones, or else of each flag it
// names the first.
std::vector<const FileValue*> ValuesIn(const Arguments& arguments, const std::string& message) {
  std::vector<const FileValue*> found;
  for (const FileValue& value : arguments.from_file) {
    if (IsAbout(message, *FindFlag(*arguments.command, value.flag), value)) found.push_back(&value);
  }
  if (!found.empty()) return found;
  for (const FileValue& value : arguments.from_file) {
    const bool is_known = std::any_of(found.begin(), found.end(), [&](const FileValue* other) {
      return other->flag == value.flag;
    });
    if (!is_known && HasWord(message, value.flag)) found.push_back(&value);
  }
  return found;
}

}  // namespace

Result<std::vector<std::string>> InputNamesOfJob(const Arguments& arguments) {
  MR_RETURN_IF_ERROR(LoadModules(arguments.All("--module")));
  MR_ASSIGN_OR_RETURN(const std::unique_ptr<Job> job, DefineJob(arguments.argument, {}));
  std::vector<std::string> names;
  for (const InputSpec& input : job->graph().inputs) names.push_back(input.name);
  return names;
}

bool NamesJobFile(const Arguments& given) { return given.argument.ends_with(".toml"); }

Result<Arguments> MergeJobFile(const Arguments& given, const JobFile& file,
                               const InputNames& input_names) {
  return Merge(given, file).Run(input_names);
}

Result<Arguments> WithJobFile(const Arguments& given) {
  if (!NamesJobFile(given)) return given;
  MR_ASSIGN_OR_RETURN(const std::string text, LoadJobFile(given.argument));
  MR_ASSIGN_OR_RETURN(const JobFile file, ParseJobFile(*given.command, given.argument, text));
  return MergeJobFile(given, file, InputNamesOfJob);
}

std::string CommandLine(const Arguments& arguments) {
  std::string line = "millrace " + arguments.command->name;
  for (const std::string& word : arguments.words) {
    if (word != "--dry-run") line += " " + ShellWord(word);
  }
  return line;
}

Status WithPlaces(const Arguments& arguments, const Status& error) {
  const bool is_about_request =
      error.code() == StatusCode::kInvalidArgument || error.code() == StatusCode::kNotFound;
  if (!is_about_request) return error;
  const std::vector<const FileValue*> values = ValuesIn(arguments, error.message());
  std::string places, misplaced;
  bool is_relative = false;
  for (std::size_t i = 0; i < std::min(values.size(), kPlacesMax); ++i) {
    const FlagSpec& flag = *FindFlag(*arguments.command, values[i]->flag);
    places += (i == 0 ? "; set in " : " and ") + values[i]->place;
    is_relative |= IsRelativePath(flag, *values[i]);
    const std::string& name = values[i]->name;
    if (NamesOf(flag) != ValueNames::kRequired) continue;
    if (FindFlag(*arguments.command, "--" + name) == nullptr) continue;
    misplaced = "; to mean the flag --" + name + ", move it above the first [table]";
  }
  if (values.empty() && !arguments.argument_place.empty() &&
      HasWord(error.message(), Printable(arguments.argument))) {
    places = "; set in " + arguments.argument_place;
  }
  std::string start;
  std::error_code code;
  const std::filesystem::path here = std::filesystem::current_path(code);
  if (is_relative && !code) start = "; relative paths start in " + Printable(here.string());
  return Status::Error(error.code(), error.message(), misplaced, places, start);
}

}  // namespace millrace
