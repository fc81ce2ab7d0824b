// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_API_CONVERTED_WRITER_H_
#define MAPREDUCE_API_CONVERTED_WRITER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/api/operators.h"
#include "mapreduce/formats/output_rows.h"

namespace millrace {

/// A writer of TSV whose rows reach the sink in another format.
class ConvertedWriter final : public WriteOperator {
 public:
  using MakeWriter = std::function<std::unique_ptr<WriteOperator>(RowSink&)>;

  /// The output's name is for errors. Requires: IsConverted(format).
  ConvertedWriter(RowSink& sink, const MakeWriter& make_writer, std::string output,
                  OutputFormat format, const std::vector<OutputColumn>& columns)
      : rows_(sink, std::move(output), MakeRowConverter(format, columns)),
        writer_(make_writer(rows_)) {}

  Status Consume(EmitBatch& batch) override { return writer_->Consume(batch); }
  Status Close() override { return writer_->Close(); }
  std::size_t batch_records() const override { return writer_->batch_records(); }

 private:
  class Rows final : public RowSink {
   public:
    Rows(RowSink& sink, std::string output, std::unique_ptr<RowConverter> converter)
        : sink_(sink), output_(std::move(output)), converter_(std::move(converter)) {}
    Status AppendRows(std::string_view text, std::uint64_t rows) override;

   private:
    Status Convert(std::string_view text, std::uint64_t rows);

    RowSink& sink_;
    const std::string output_;
    const std::unique_ptr<RowConverter> converter_;
    RowBuffer converted_;
  };

  Rows rows_;
  const std::unique_ptr<WriteOperator> writer_;
};

}  // namespace millrace

#endif  // MAPREDUCE_API_CONVERTED_WRITER_H_
