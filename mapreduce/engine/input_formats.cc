// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/input_formats.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <utility>

#include "mapreduce/engine/parallel_for.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/formats/json_lines_paths.h"
#include "mapreduce/io/input_pattern.h"

namespace millrace {
namespace {

// `before#table`, where a file is not called so itself.
struct TablePattern {
  std::string before;
  std::string table;
};

Result<TablePattern> SplitTable(FileSystem& files, const std::string& pattern,
                                std::string_view date) {
  std::size_t hash = pattern.find('#');
  if (hash == std::string::npos) return TablePattern{pattern, ""};
  MR_ASSIGN_OR_RETURN(const std::string literal, WithDate("the input", pattern, date));
  if (files.Stat(literal).ok()) return TablePattern{pattern, ""};
  // A table's name may have a # as well as a file's: the first one behind a file, else the last.
  std::size_t last = std::string::npos;
  for (; hash != std::string::npos; hash = pattern.find('#', hash + 1)) {
    if (hash == 0 || hash + 1 == pattern.size()) continue;
    last = hash;
    MR_ASSIGN_OR_RETURN(const std::string path,
                        WithDate("the input", pattern.substr(0, hash), date));
    if (files.Stat(path).ok()) break;
  }
  if (last == std::string::npos) return TablePattern{pattern, ""};
  return TablePattern{pattern.substr(0, last), pattern.substr(last + 1)};
}

// The table's file in a directory that a dump made, and the format that says so.
Result<std::pair<FileInfo, FileFormat>> FindTable(FileSystem& files, const std::string& directory,
                                                  const std::string& table,
                                                  const std::optional<FileFormat>& format) {
  Status first;
  for (const FormatDriver* driver : AllFormats()) {
    if (driver->find_table == nullptr || (format && format->name != driver->name)) continue;
    Result<FileInfo> found = driver->find_table(files, directory, table);
    if (found.ok())
      return std::pair(*std::move(found),
                       format ? *format : FileFormat{std::string(driver->name), {}});
    first.Update(found.error());
  }
  if (!first.ok()) return first;
  return Status::InvalidArgument(directory, " is a directory, and the format ",
                                 format ? format->name : "", " has no table ", Printable(table),
                                 " in one");
}

// All files below a dump's directory are of no one format.
Status CheckNoDump(FileSystem& files, const std::string& pattern, std::string_view date) {
  MR_ASSIGN_OR_RETURN(const std::string path, WithDate("the input", pattern, date));
  if (!files.Stat(JoinPath(path, "toc.dat")).ok()) return {};
  return Status::InvalidArgument(path, " is a directory that pg_dump made; say which table: ", path,
                                 "#TABLE");
}

bool HasOption(const FormatDriver& driver, std::string_view name) {
  return std::find(driver.option_names.begin(), driver.option_names.end(), name) !=
         driver.option_names.end();
}

// The format of all shards of one input.
Result<FileFormat> FormatOf(FileSystem& files, const InputSpec& spec, const MatchedInput& matched,
                            int threads, const std::vector<Shard>& shards) {
  if (spec.format == "text") {
    if (matched.format && matched.format->name != "text") {
      return Status::InvalidArgument("the input ", spec.name, " is read as lines, whatever is in ",
                                     "them; leave out --format ", matched.format->name);
    }
    return FileFormat{"text", {}};
  }
  if (matched.format) {
    if (matched.format->name == "text") {
      return Status::InvalidArgument("the input ", spec.name,
                                     " has columns, which lines of text don't have; choose another",
                                     " --format");
    }
    return *matched.format;
  }
  std::vector<FileFormat> formats(shards.size());
  const Status detected = ParallelFor(shards.size(), threads, [&](std::size_t s) {
    if (shards[s].file.bytes == 0) return Status::Ok();
    MR_ASSIGN_OR_RETURN(formats[s], DetectFormat(files, shards[s]));
    return Status::Ok();
  });
  MR_RETURN_IF_ERROR(detected);
  std::size_t first = shards.size();  // An empty file is whatever the others are.
  for (std::size_t s = 0; s < shards.size(); ++s) {
    if (shards[s].file.bytes == 0) continue;
    if (first == shards.size()) first = s;
    if (formats[s] == formats[first]) continue;
    return Status::InvalidArgument(
        "the input ", spec.name, " has files of several formats: ", shards[first].file.path, " is ",
        formats[first].name, ", ", shards[s].file.path, " is ", formats[s].name,
        "; read one of them at a time, or say which it is with --format");
  }
  if (first < shards.size()) return formats[first];
  return shards.empty() ? Result<FileFormat>(FileFormat()) : DetectFormat(files, shards[0]);
}

// What the maps of one input look at.
std::vector<const RowRequest*> RequestsOf(const JobGraph& graph, std::size_t input) {
  std::vector<const RowRequest*> requests;
  for (const StageSpec& stage : graph.stages) {
    for (const StageSource& source : stage.sources) {
      if (source.input == static_cast<int>(input)) requests.push_back(&source.request);
    }
  }
  return requests;
}

// TSV has no names to find a column by.
Status CheckNumbers(const std::string& input, const RowRequest& request) {
  for (const ColumnRequest& column : request.columns) {
    if (column.number > 0 || column.name == column.column) continue;
    return Status::InvalidArgument(
        "the column ", column.column, " of ", input, " is said by name (", Printable(column.name),
        "), but its files are TSV, which has ", "no names; say its number, or --format");
  }
  return {};
}

// Who reads all columns, of one input or of several, means the same ones in each file, in the same
// order. Where the files have an order of their own it must be the same; keys of JSON have none, so
// there all files get one list.
class SameColumns {
 public:
  Status Add(ExecutionInput& input, bool has_paths) {
    for (Shard& shard : input.shards) {
      if (shard.layout == nullptr) continue;
      if (has_paths) {
        without_order_.push_back(&shard);
      } else if (first_ == nullptr) {
        first_ = &shard;
      } else {
        MR_RETURN_IF_ERROR(Compare(shard));
      }
    }
    return {};
  }

  Status Finish() {
    std::vector<std::string> columns;
    if (first_ != nullptr) columns = first_->layout->columns;
    std::set<std::string> known(columns.begin(), columns.end());
    for (const Shard* shard : without_order_) {
      for (const std::string& column : shard->layout->columns) {
        if (!known.insert(column).second) continue;
        if (first_ != nullptr) {
          return Status::BadData(shard->file.path, ": has a column ", Printable(column), ", which ",
                                 first_->file.path, " has not; this job reads all columns, so ",
                                 "all files must have the same");
        }
        columns.push_back(column);
      }
    }
    for (Shard* shard : without_order_) {
      auto layout = std::make_shared<ShardLayout>(*shard->layout);
      layout->columns = columns;
      shard->layout = std::move(layout);
    }
    return {};
  }

 private:
  Status Compare(const Shard& shard) const {
    const std::vector<std::string>& a = first_->layout->columns;
    const std::vector<std::string>& b = shard.layout->columns;
    const auto [differs, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (differs == a.end() && other == b.end()) return {};
    return Status::BadData(shard.file.path, ": its column ", other - b.begin() + 1, " is ",
                           other == b.end() ? "missing" : Printable(*other), ", in ",
                           first_->file.path, " it is ",
                           differs == a.end() ? "missing" : Printable(*differs),
                           "; this job reads all columns, so all files must have the same, in the "
                           "same order");
  }

  const Shard* first_ = nullptr;  // Of those with an order.
  std::vector<Shard*> without_order_;
};

// Whether the first step of a path is a key that some object has. A key may hold dots itself.
bool BeginsWithKey(const std::string& path, const std::set<std::string>& keys) {
  std::string key;
  for (const std::string& step : JsonPathKeys(path)) {
    key += step;
    if (keys.contains(key)) return true;
    key += '.';
  }
  return false;
}

// A path may lack in any object, but one that lacks in all that were looked at is a mistake.
Status CheckPaths(const ExecutionInput& input, const std::vector<const RowRequest*>& requests) {
  if (input.format.option("missing", "error") == "null") return {};
  std::set<std::string> keys;
  for (const Shard& shard : input.shards) {
    if (shard.layout != nullptr)
      keys.insert(shard.layout->columns.begin(), shard.layout->columns.end());
  }
  if (keys.empty()) return {};
  for (const RowRequest* request : requests) {
    for (const ColumnRequest& column : request->columns) {
      if (BeginsWithKey(column.name, keys)) continue;
      std::string known;
      for (const std::string& key : keys) {
        if (known.size() > 200) break;
        known += (known.empty() ? "" : ", ") + Printable(key);
      }
      return Status::BadData("the input ", input.name, ": none of the first objects of its files ",
                             "has the key ", Printable(column.name), "; they have ", known,
                             "; say --param ", column.column, "=PATH, or --format ",
                             input.format.name, ",missing=null where it is to be NULL");
    }
  }
  return {};
}

}  // namespace

Result<std::map<std::string, FileFormat>> AssignFormats(const JobGraph& graph,
                                                        const std::vector<std::string>& specs) {
  std::map<std::string, FileFormat> formats;
  std::optional<FileFormat> of_others;
  for (const std::string& spec : specs) {
    const std::string_view text = spec;
    const std::string_view name = text.substr(0, std::min(text.find('='), text.find(',')));
    const bool has_name = name.size() < text.size() && text[name.size()] == '=';
    const bool is_input = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                                      [&](const InputSpec& input) { return input.name == name; });
    if (has_name && !is_input) {
      return Status::InvalidArgument("--format ", Printable(spec), ": the job has no input ",
                                     Printable(name));
    }
    Result<FileFormat> format = ParseFileFormat(has_name ? text.substr(name.size() + 1) : text);
    if (!format.ok()) return format.error().Annotate("--format ", Printable(spec));
    if (has_name ? !formats.emplace(name, *format).second : of_others.has_value()) {
      return Status::InvalidArgument("--format ", Printable(spec), ": there is one for the same ",
                                     "files already");
    }
    if (!has_name) of_others = *std::move(format);
  }
  if (!of_others) return formats;
  for (const InputSpec& input : graph.inputs) {
    if (input.format != "text") formats.emplace(input.name, *of_others);
  }
  return formats;
}

Result<MatchedInput> MatchInput(FileSystem& files, const InputPatterns& input,
                                std::string_view date, const std::optional<FileFormat>& format) {
  MatchedInput matched{.files = {}, .format = format, .table = {}};
  std::vector<std::string> patterns;
  for (std::size_t i = 0; i < input.patterns.size(); ++i) {
    MR_ASSIGN_OR_RETURN(TablePattern pattern, SplitTable(files, input.patterns[i], date));
    if (i > 0 && pattern.table != matched.table) {
      return Status::InvalidArgument("the input ", input.name, " is of the table ",
                                     matched.table.empty() ? "(none)" : Printable(matched.table),
                                     " and of ",
                                     pattern.table.empty() ? "(none)" : Printable(pattern.table),
                                     "; name one table, the same behind each file");
    }
    matched.table = pattern.table;
    if (pattern.table.empty()) {
      MR_RETURN_IF_ERROR(CheckNoDump(files, pattern.before, date));
    } else {
      MR_ASSIGN_OR_RETURN(const std::string path, WithDate("the input", pattern.before, date));
      const Result<FileInfo> info = files.Stat(path);
      if (info.ok() && info->is_directory) {
        MR_ASSIGN_OR_RETURN(auto found, FindTable(files, path, pattern.table, matched.format));
        matched.format = std::move(found.second);
        matched.is_table_file = true;
        pattern.before = found.first.path;
      }
    }
    patterns.push_back(std::move(pattern.before));
  }
  MR_ASSIGN_OR_RETURN(matched.files, ExpandPatterns(files, patterns, date));
  return matched;
}

Status ResolveFormats(FileSystem& files, const JobGraph& graph,
                      const std::vector<MatchedInput>& matched, int threads,
                      std::vector<ExecutionInput>& inputs) {
  SameColumns same_columns;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ExecutionInput& input = inputs[i];
    const std::vector<const RowRequest*> requests = RequestsOf(graph, i);
    MR_ASSIGN_OR_RETURN(input.format,
                        FormatOf(files, graph.inputs[i], matched[i], threads, input.shards));
    const FormatDriver& driver = *FindFormat(input.format.name);
    if (HasOption(driver, "table")) {
      if (!matched[i].table.empty()) input.format.options["table"] = matched[i].table;
    } else if (!matched[i].table.empty() && !matched[i].is_table_file) {
      return Status::InvalidArgument("the input ", input.name, " names the table ",
                                     Printable(matched[i].table), ", but ",
                                     input.shards.front().file.path, " is ", driver.name,
                                     ", which has no tables; leave out the # and what follows it, ",
                                     "or say which dump it is: --format pgdump or mysqldump");
    }
    if (input.format.name == "tsv") {
      for (const RowRequest* request : requests)
        MR_RETURN_IF_ERROR(CheckNumbers(input.name, *request));
    }
    if (input.format.is_lines()) continue;
    const Status checked = ParallelFor(input.shards.size(), threads, [&](std::size_t s) {
      Shard& shard = input.shards[s];
      MR_RETURN_IF_ERROR(InspectLayout(files, input.format, &shard));
      for (const RowRequest* request : requests)
        MR_RETURN_IF_ERROR(CheckColumns(*request, input.format, shard));
      return Status::Ok();
    });
    MR_RETURN_IF_ERROR(checked);
    if (HasOption(driver, "missing")) MR_RETURN_IF_ERROR(CheckPaths(input, requests));
    const bool reads_all = std::any_of(requests.begin(), requests.end(),
                                       [](const RowRequest* request) { return request->all; });
    if (reads_all) MR_RETURN_IF_ERROR(same_columns.Add(input, driver.has_paths));
  }
  return same_columns.Finish();
}

}  // namespace millrace
