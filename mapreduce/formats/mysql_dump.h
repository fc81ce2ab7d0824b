// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_MYSQL_DUMP_H_
#define MAPREDUCE_FORMATS_MYSQL_DUMP_H_

// Dumps of mysqldump and mariadb-dump, and scripts like them: the rows of one table's INSERTs.
// docs/formats/mysql-dump.md says which forms there are.
//
// The plan reads a script once, from front to back, and notes where the table's rows are: ranges of
// about 1 MiB, each beginning at a row's parenthesis. Which rows a range of the shard has: those of
// the row ranges that begin in it, each whole. So every cut is right, and a dump on one line is
// split as well. A reader that begins within a script must know three things, which a row range
// never spans a change of: what USE said (it reads unqualified INSERTs as the table's own), that
// the delimiter is `;`, and whether backslashes are escapes (in the layout's dialect).
//
//   dialect := ("escaped" | "plain") " `database`.`table`"

#include <cstdint>

#include "mapreduce/formats/file_format.h"

namespace millrace {

/// "mysqldump". Option `table`: TABLE or DATABASE.TABLE.
const FormatDriver& MysqlDumpFormat();

/// What the driver's inspect does, with row ranges of about `range_bytes` instead of 1 MiB.
Status InspectMysqlDump(FileSystem& files, const FileFormat& format, std::uint64_t range_bytes,
                        Shard* shard);

/// "mysqltab": see mysql_tab.cc.
const FormatDriver& MysqlTabFormat();

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_MYSQL_DUMP_H_
