// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/postgres_rows.h"

#include <utility>
#include <vector>

#include "mapreduce/formats/postgres_copy_rows.h"
#include "mapreduce/formats/postgres_dialect.h"
#include "mapreduce/formats/postgres_insert_rows.h"

namespace millrace {

Result<std::unique_ptr<BlockReader>> OpenPostgresRows(const RowsOf& rows) {
  const ShardLayout* const layout = rows.shard.layout.get();
  if (layout == nullptr) return Status::Internal(rows.shard.file.path, ": was not looked at");
  MR_ASSIGN_OR_RETURN(const PostgresDialect dialect, PostgresDialect::Parse(layout->dialect));
  MR_ASSIGN_OR_RETURN(std::vector<int> fields,
                      ResolveColumns(rows.request, layout->columns, rows.shard.file.path));
  if (dialect.is_insert) {
    return NewPostgresInsertReader(rows, std::move(fields), dialect);
  }
  return NewPostgresCopyReader(rows, std::move(fields), dialect);
}

}  // namespace millrace
