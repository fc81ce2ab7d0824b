// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_ARCHIVE_H_
#define MAPREDUCE_FORMATS_POSTGRES_ARCHIVE_H_

// toc.dat, the table of contents of a dump in directory format (pg_dump -Fd), of archive versions
// 1.12 to 1.16: PostgreSQL 9.0 to 18. As pg_dump writes it:
//
//   toc    := "PGDMP" major:u8 minor:u8 revision:u8 int_bytes:u8 offset_bytes:u8 format:u8
//             compression  int{7}=the time  string=database string=server string=pg_dump
//             int=entry count  entry*
//   int    := is_negative:u8 bytes{int_bytes}        little-endian
//   string := int=bytes, negative for NULL  bytes
//   entry  := int=id int=has_data string string tag desc int=section definition drop copy
//             schema tablespace [access method, from 1.14] [int=relation kind, from 1.16]
//             owner string  (string=a dependency)* NULL  file name
//   compression := int, the level; from 1.15 on u8, the algorithm
//
// The entry TABLE DATA names the file and has the COPY statement (none with --inserts); TABLE has
// the CREATE TABLE statement.

#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"

namespace millrace {

struct PostgresArchiveEntry {
  std::string tag;   ///< The table.
  std::string desc;  ///< "TABLE DATA", "TABLE", "STDSTRINGS".
  std::string schema;
  std::string definition;  ///< SQL.
  std::string copy;        ///< COPY public.users (id) FROM stdin;
  std::string file_name;   ///< 3383.dat, whatever compresses it.
};

/// kBadData for what is no such file.
Result<std::vector<PostgresArchiveEntry>> ParsePostgresArchive(std::string_view bytes);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_ARCHIVE_H_
