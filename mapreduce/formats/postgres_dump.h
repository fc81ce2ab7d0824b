// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_DUMP_H_
#define MAPREDUCE_FORMATS_POSTGRES_DUMP_H_

// The rows of one table of a pg_dump: plain SQL with COPY or with INSERT, or a data file of the
// directory format beside its toc.dat. Reading any of them gives what COPY ... TO STDOUT gives.
// docs/formats/postgres-dump.md is for users; postgres_scan.h tells where rows are, postgres_rows.h
// reads them.

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// See file_format.h. The option `table` names the table; without it, the file has one with rows.
const FormatDriver& PostgresDumpFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_DUMP_H_
