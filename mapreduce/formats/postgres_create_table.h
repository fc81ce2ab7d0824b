// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_FORMATS_POSTGRES_CREATE_TABLE_H_
#define MAPREDUCE_FORMATS_POSTGRES_CREATE_TABLE_H_

// What CREATE TABLE says of a table's columns.

#include "mapreduce/formats/postgres_name.h"
#include "mapreduce/formats/postgres_tables.h"
#include "mapreduce/formats/postgres_tokens.h"

namespace millrace {

/// Reads a CREATE TABLE, of which the word TABLE was the last token, to its end. Names are of
/// `scope` where they don't say. False: there is no name.
bool ReadPostgresCreateTable(PostgresTokens& tokens, const PostgresName& scope, PostgresName* name,
                             PostgresTable* table);

}  // namespace millrace

#endif  // MAPREDUCE_FORMATS_POSTGRES_CREATE_TABLE_H_
