// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/output_rows.h"

#include "mapreduce/formats/csv_writer.h"
#include "mapreduce/formats/output_json.h"

namespace millrace {
namespace {

class CsvRowConverter final : public RowConverter {
 public:
  Status Append(std::string_view lines, RowBuffer& out) override {
    AppendCsvRows(out, lines);
    return {};
  }
};

}  // namespace

std::string_view OutputFormatName(OutputFormat format) {
  switch (format) {
    case OutputFormat::kTsv:
      return "tsv";
    case OutputFormat::kCsv:
      return "csv";
    case OutputFormat::kJsonLines:
      return "jsonl";
    case OutputFormat::kParquet:
      return "parquet";
  }
  return "";
}

Result<OutputFormat> ParseOutputFormat(std::string_view name) {
  for (const OutputFormat each :
       {OutputFormat::kTsv, OutputFormat::kCsv, OutputFormat::kJsonLines, OutputFormat::kParquet}) {
    if (OutputFormatName(each) == name) return each;
  }
  return Status::InvalidArgument("unknown output format '", name,
                                 "'; choose tsv, csv, jsonl or parquet");
}

std::string OutputHeader(OutputFormat format, const std::vector<OutputColumn>& columns) {
  if (format != OutputFormat::kCsv) return "";
  RowBuffer header;
  for (const OutputColumn& column : columns) {
    if (!header.empty()) header.Append(',');
    AppendCsvField(header, column.name);
  }
  header.Append('\n');
  return std::string(header.view());
}

std::unique_ptr<RowConverter> MakeRowConverter(OutputFormat format,
                                               const std::vector<OutputColumn>& columns) {
  if (format == OutputFormat::kJsonLines) return std::make_unique<JsonRowConverter>(columns);
  return std::make_unique<CsvRowConverter>();
}

}  // namespace millrace
