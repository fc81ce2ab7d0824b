// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_GRAPH_H_
#define MAPREDUCE_API_GRAPH_H_

// A job as the engine sees it: stages in an order in which each comes behind those it reads. Made
// by Job, from the job's own definition.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mapreduce/api/context.h"
#include "mapreduce/api/operators.h"
#include "mapreduce/formats/file_format.h"
#include "mapreduce/formats/output_rows.h"
#include "mapreduce/shuffle/collector.h"
#include "mapreduce/shuffle/group_reader.h"

namespace millrace {

/// A dataset the job reads.
struct InputSpec {
  std::string name;
  std::vector<std::string> columns;  ///< Of TSV: the layout the job expects.
  std::string format;                ///< "tsv", "text"
  bool has_distinct_names = false;   ///< No two files may have the same Context::file_name().
};

/// A dataset the job writes.
struct OutputSpec {
  std::string name;
  std::string extension;              ///< "tsv"
  std::vector<OutputColumn> columns;  ///< Of rows that can be written in any OutputFormat; or none.
  OutputFormat format = OutputFormat::kTsv;  ///< Of those rows.
};

/// Where a stage's records come from: an input, or the reduce of an earlier stage.
struct StageSource {
  int input = -1;  ///< Index into inputs, or -1.
  int stage = -1;  ///< Index into stages, or -1.
  std::string map_name;
  std::vector<int> tables;  ///< Indexes into tables: what its map looks up in.
  int reader = -1;          ///< Of an input: maps with the same one parse it alike.
  RowRequest request;       ///< Of an input with columns: what of its rows the map looks at.
  bool is_repeat = false;   ///< An earlier one does: it has counted the records, and rejected some.
  std::function<std::unique_ptr<MapOperator>(Context&, EmitSink&)> make_map;  ///< Of an input.
  std::function<std::unique_ptr<RecordMapOperator>(Context&, EmitSink&)>
      make_record_map;  ///< Of a stage.
};

/// An output that a stage's reduce (its maps, where there is no reduce) writes.
struct StageWrite {
  int output = -1;  ///< Index into outputs.
  std::function<std::unique_ptr<WriteOperator>(RowSink&)> make_writer;
};

struct StageSpec {
  std::string name;
  std::vector<StageSource> sources;
  std::string combine_name;  ///< Empty: nothing is combined.
  std::string reduce_name;   ///< Empty: a stage of maps alone.
  bool has_states = false;   ///< The shuffle's values are states of an aggregator.
  GroupReader::PrefixBytes group_bytes = nullptr;  ///< Of GroupBy: what of a key makes its group.
  std::function<std::unique_ptr<Collector>(const CollectorOptions&)> make_collector;
  std::function<std::unique_ptr<CombineOperator>()> make_combiner;  ///< Null: nothing is combined.
  std::function<std::unique_ptr<ReduceOperator>(Context&, EmitSink&)> make_reduce;
  std::vector<int> reduce_tables;  ///< What its reduce looks up in.
  int table = -1;                  ///< Index into tables: what its reduce emits is kept there.
  std::vector<StageWrite> writes;
  bool writes_maps = false;  ///< They write what the maps emit.

  bool has_reduce() const { return make_reduce != nullptr; }
};

/// What a stage made, kept for lookups by others.
struct TableSpec {
  int stage = -1;  ///< Index into stages.
};

struct JobGraph {
  bool needs_date = false;  ///< It can't run without --date.
  std::vector<InputSpec> inputs;
  std::vector<TableSpec> tables;
  std::vector<StageSpec> stages;
  std::vector<OutputSpec> outputs;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_GRAPH_H_
