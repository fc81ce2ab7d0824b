// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/api/job.h"

#include <algorithm>

#include "mapreduce/api/converted_writer.h"
#include "mapreduce/base/numbers.h"
#include "mapreduce/formats/utf8.h"

namespace millrace {
namespace {

// What the job calls the columns, or else the fields that hold them; a column that nobody names is
// called by its number. No two have the same name.
Status NameColumns(std::span<const std::string_view> names, std::vector<OutputColumn>& columns) {
  std::set<std::string> taken;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::string& name = columns[i].name;
    if (!names.empty()) {
      name = names[i];
      if (name.empty()) return Status::InvalidArgument("a column has no name");
      if (!IsWellFormedUtf8(name)) return Status::InvalidArgument("a column's name is not UTF-8");
      if (!taken.insert(name).second)
        return Status::InvalidArgument("two columns are called ", name);
      continue;
    }
    if (name.empty()) name = "column" + std::to_string(i + 1);
    const std::string base = name;
    for (int n = 2; !taken.insert(name).second; ++n) name = base + "_" + std::to_string(n);
  }
  return {};
}

// Whether at least one of the outputs is what is asked for.
bool CanWriteAs(OutputFormat format, const std::vector<OutputSpec>& outputs) {
  return format == OutputFormat::kTsv || outputs.empty() ||
         std::any_of(outputs.begin(), outputs.end(), [format](const OutputSpec& output) {
           return output.format == format || output.extension == OutputFormatName(format);
         });
}

}  // namespace

int Job::AddInput(InputSpec input) {
  for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
    if (graph_.inputs[i].name == input.name) {
      graph_.inputs[i].has_distinct_names |= input.has_distinct_names;
      return static_cast<int>(i);
    }
  }
  graph_.inputs.push_back(std::move(input));
  return static_cast<int>(graph_.inputs.size()) - 1;
}

std::size_t Job::AddStage(StageSource source) {
  StageSpec stage;
  stage.name = "stage-" + std::to_string(graph_.stages.size() + 1);
  stage.sources.push_back(std::move(source));
  stage.make_collector = [](const CollectorOptions& options) {
    return std::make_unique<SortCollector>(options);
  };
  graph_.stages.push_back(std::move(stage));
  return graph_.stages.size() - 1;
}

void Job::AddWrite(std::size_t stage, OutputSpec output, std::span<const std::string_view> names,
                   std::function<std::unique_ptr<WriteOperator>(RowSink&)> make_writer) {
  for (const OutputSpec& other : graph_.outputs) {
    if (other.name == output.name) Fail("the output " + output.name + " is written twice");
  }
  status_.Update(NameColumns(names, output.columns).Annotate("output ", output.name));
  if (!output.columns.empty() && settings_.output_format != OutputFormat::kTsv) {
    output.format = settings_.output_format;
    output.extension = OutputFormatName(output.format);
  }
  if (IsConverted(output.format)) {
    make_writer = [make_rows = std::move(make_writer), name = output.name, format = output.format,
                   columns = output.columns](RowSink& sink) {
      return std::make_unique<ConvertedWriter>(sink, make_rows, name, format, columns);
    };
  }
  const int index = static_cast<int>(graph_.outputs.size());
  graph_.stages[stage].writes.push_back({index, std::move(make_writer)});
  graph_.outputs.push_back(std::move(output));
}

int Job::AddTable(std::size_t stage) {
  int& table = graph_.stages[stage].table;
  if (table < 0) {
    table = static_cast<int>(graph_.tables.size());
    graph_.tables.push_back({static_cast<int>(stage)});
  }
  return table;
}

void Job::BeginCombine(StageSpec& stage, std::string name) {
  if (!stage.combine_name.empty() && stage.combine_name != name) {
    Fail("a Map can have one combiner, not both " + stage.combine_name + " and " + name);
  }
  stage.combine_name = std::move(name);
}

void Job::BeginReduce(StageSpec& stage, std::string name, bool is_aggregator) {
  if (stage.has_reduce()) {
    Fail("the same Map is reduced by " + stage.reduce_name + " and by " + name +
         "; map the input once more for the one of them");
  }
  const std::string& combiner = stage.combine_name;
  if (is_aggregator ? !combiner.empty() && combiner != name : stage.has_states) {
    Fail(name + " can't follow the combiner " + combiner +
         ": an aggregator and its Reduce go together, as in Combine<Sum> and Reduce<Sum>");
  }
  stage.reduce_name = std::move(name);
}

void Job::MergeStages(std::size_t into, std::size_t from) {
  auto& sources = graph_.stages[from].sources;
  if (into == from || sources.empty()) return;
  if (graph_.stages[from].has_reduce() || !graph_.stages[from].writes.empty()) {
    Fail("And takes a Map that is not reduced or written by itself");
  }
  if (!graph_.stages[from].combine_name.empty())
    Fail("Combine comes behind And, for all that is joined");
  std::move(sources.begin(), sources.end(), std::back_inserter(graph_.stages[into].sources));
  sources.clear();
}

// The tables that must be there before a stage can run to its end: those of its maps, of its
// reduce, and of the maps that run inside that.
std::vector<int> Job::TablesBefore(std::size_t stage) const {
  std::vector<int> tables = graph_.stages[stage].reduce_tables;
  const auto add = [&tables](const StageSource& source) {
    tables.insert(tables.end(), source.tables.begin(), source.tables.end());
  };
  for (const StageSource& source : graph_.stages[stage].sources) {
    if (source.input >= 0) add(source);
  }
  for (const StageSpec& later : graph_.stages) {
    for (const StageSource& source : later.sources) {
      if (source.stage == static_cast<int>(stage)) add(source);
    }
  }
  return tables;
}

// A merged stage has no sources left. The stage it went into may stand before a stage it reads, as
// may one before the stage whose table it needs: moving it behind all of them keeps the order that
// the engine relies on.
void Job::OrderStages() {
  std::vector<StageSpec> ordered;
  std::vector<int> place(graph_.stages.size(), -1);
  std::vector<std::vector<int>> tables;
  for (std::size_t i = 0; i < graph_.stages.size(); ++i) tables.push_back(TablesBefore(i));
  bool moved = true;
  while (moved) {
    moved = false;
    for (std::size_t i = 0; i < graph_.stages.size(); ++i) {
      StageSpec& stage = graph_.stages[i];
      const auto is_ready = [&](const StageSource& source) {
        return source.stage < 0 || place[static_cast<std::size_t>(source.stage)] >= 0;
      };
      const auto is_made = [&](int table) {
        return place[static_cast<std::size_t>(
                   graph_.tables[static_cast<std::size_t>(table)].stage)] >= 0;
      };
      if (place[i] >= 0 || stage.sources.empty() ||
          !std::all_of(stage.sources.begin(), stage.sources.end(), is_ready) ||
          !std::all_of(tables[i].begin(), tables[i].end(), is_made)) {
        continue;
      }
      place[i] = static_cast<int>(ordered.size());
      for (StageSource& source : stage.sources) {
        if (source.stage >= 0) source.stage = place[static_cast<std::size_t>(source.stage)];
      }
      stage.name = "stage-" + std::to_string(ordered.size() + 1);
      ordered.push_back(std::move(stage));
      stage.sources.clear();
      moved = true;
    }
  }
  for (const StageSpec& stage : graph_.stages) {
    if (stage.sources.empty()) continue;
    Fail("the table that " + stage.sources.front().map_name +
         (stage.reduce_name.empty() ? "" : " or " + stage.reduce_name) +
         " looks up in is made of the same Reduce that feeds it, so it can't be there in time; "
         "look up in a stage further on");
    break;
  }
  for (TableSpec& table : graph_.tables) table.stage = place[static_cast<std::size_t>(table.stage)];
  graph_.stages = std::move(ordered);
  std::set<int> readers;
  for (StageSpec& stage : graph_.stages) {
    for (StageSource& source : stage.sources)
      source.is_repeat = source.input >= 0 && !readers.insert(source.reader).second;
  }
}

// All columns of the layout, also those this job does not look at: who says where everything is in
// a file need not know which columns a job uses.
std::vector<ColumnRequest> Job::PlaceColumns(const std::string& input,
                                             std::span<const std::string_view> layout) {
  std::vector<ColumnRequest> places;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const std::string column(layout[i]);
    const int default_position = static_cast<int>(i) + 1;
    ColumnRequest& place = places.emplace_back(ColumnRequest{column, column, 0});
    ColumnUse use{input, column, default_position, column, false};
    auto given = settings_.params.find(input + "." + column);
    if (given == settings_.params.end()) given = settings_.params.find(column);
    if (given != settings_.params.end()) {
      use.is_set = true;
      use.value = given->second;
      std::int64_t position = 0;
      const bool is_number = ParseInt64(given->second, &position);
      if (given->second.empty() ||
          (is_number && (position < 1 || position > TsvColumns::kColumnMax))) {
        Fail("parameter " + given->first + " must be the number of a column, from 1 to " +
             std::to_string(TsvColumns::kColumnMax) + ", or its name, not '" + given->second + "'");
      } else if (is_number) {
        place.number = static_cast<int>(position);
        use.value = std::to_string(position);  // "007" and "7" are one plan.
      } else {
        place.name = given->second;
      }
    }
    const auto same = [&](const ColumnUse& other) {
      return other.input == input && other.column == column;
    };
    if (std::none_of(columns_.begin(), columns_.end(), same)) columns_.push_back(use);
  }
  return places;
}

RowRequest Job::RequestOf(const TsvColumns& columns, std::span<const std::string_view> fields,
                          const std::vector<ColumnRequest>& places) {
  RowRequest request;
  for (std::size_t field = 0; field < fields.size(); ++field) {
    if (columns.column(field) == TsvColumns::kUnused) continue;
    const auto place = std::find_if(places.begin(), places.end(), [&](const ColumnRequest& each) {
      return each.column == fields[field];
    });
    if (place != places.end()) request.columns.push_back(*place);
  }
  return request;
}

void Job::DeclareColumns() {
  for (const ColumnUse& use : columns_) {
    const auto inputs =
        std::count_if(columns_.begin(), columns_.end(),
                      [&](const ColumnUse& other) { return other.column == use.column; });
    if (inputs > 1 && settings_.params.count(use.column) > 0) {
      Fail("parameter " + use.column + " could mean several inputs; say " + use.input + "." +
           use.column + "=N");
    }
    params_.push_back({.name = inputs > 1 ? use.input + "." + use.column : use.column,
                       .type = "column",
                       .default_value = std::to_string(use.default_position),
                       .value = use.value,
                       .help = "where the column " + use.column + " of " + use.input +
                               " is: number (1 is the first) or name",
                       .choices = {},
                       .is_set = use.is_set});
  }
}

Status Job::Finish() {
  DeclareColumns();
  OrderStages();
  std::set<std::string> names;
  for (const ParamInfo& param : params_) {
    if (!names.insert(param.name).second) Fail("the job has more than one parameter " + param.name);
  }
  for (const auto& [name, value] : settings_.params) {
    const auto is_known = [&, &given = name](const ParamInfo& info) { return info.name == given; };
    const auto is_column = [&, &given = name](const ColumnUse& use) {
      return use.input + "." + use.column == given;
    };
    if (std::none_of(params_.begin(), params_.end(), is_known) &&
        std::none_of(columns_.begin(), columns_.end(), is_column)) {
      Fail("the job has no parameter " + name);
    }
  }
  if (graph_.inputs.empty()) Fail("the job reads no input");
  if (graph_.outputs.empty()) Fail("the job writes no output");
  if (!CanWriteAs(settings_.output_format, graph_.outputs)) {
    Fail("it can't write as " + std::string(OutputFormatName(settings_.output_format)) +
         ": none of its outputs has columns; leave out --output-format");
  }
  for (const StageSpec& stage : graph_.stages) {
    if (stage.has_reduce() && stage.writes_maps) {
      Fail("the Map of " + stage.name +
           " is written and reduced, too; map the input once more for the one of them");
    }
    if (!stage.has_reduce() && stage.writes.empty())
      Fail("the Map of " + stage.name + " is neither reduced nor written");
    if (!stage.has_reduce() && !stage.combine_name.empty())
      Fail("the combiner of " + stage.name + " has no Reduce behind it");
    if (!stage.has_reduce() && (stage.sources.size() > 1 || stage.sources.front().input < 0)) {
      Fail(stage.name + " has no Reduce: then it maps one input, and nothing else");
    }
  }
  return status_;
}

}  // namespace millrace
