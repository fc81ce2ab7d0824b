// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_FORMATS_CSV_GENERATOR_H_
#define TESTS_UNIT_FORMATS_CSV_GENERATOR_H_

// Hostile but good CSV: tables of awkward values, written in any of the ways in which they can be
// written. What a reader must make of a file is known from its making.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/random.h"

namespace millrace {

struct GeneratedCsv {
  struct Row {
    std::vector<std::optional<std::string>> fields;  // nullopt: NULL.
    std::uint64_t offset = 0;                        // Of its record in the text,
    std::string raw;                                 // and the record without its line end.
  };
  std::string text;
  std::string spec;  // As for --format.
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

namespace csv_generator {

struct Style {
  char delimiter;
  char quote;
  std::string null;
  std::uint64_t quoted_in_4;  // How often quotes stand where they need not.
  std::uint64_t specials_in_8;
  std::uint64_t returns_in_4;  // CR LF instead of LF.
  std::uint64_t blanks_in_8;
};

inline std::string RandomValue(Random& random, const Style& style) {
  const std::string specials[] = {
      std::string(1, style.delimiter),
      std::string(1, style.quote),
      std::string(2, style.quote),
      std::string(1, style.quote) + style.delimiter,
      std::string(1, style.quote) + "\n",
      std::string("\n") + style.quote,
      "\n",
      "\r",
      "\r\n",
      "\t",
      "\\",
      "\\N",
      ",",
      ";",
      "\"",
      "'",
      " ",
      "\xC3\xA9",
      "\xE6\xBC\xA2",
      std::string(1, '\0'),
      style.null,
      "0123456789012345678901234567890123456789012345678901234567890123456789",
  };
  std::string value;
  for (std::uint64_t parts = random.Uniform(6); parts > 0; --parts) {
    if (random.Uniform(8) < style.specials_in_8) {
      value += specials[random.Uniform(std::size(specials))];
    } else {
      value += static_cast<char>('a' + random.Uniform(26));
    }
  }
  return value;
}

inline std::string Written(Random& random, const Style& style,
                           const std::optional<std::string>& value, bool is_last) {
  if (!value) return style.null;
  const bool needs_quotes = *value == style.null || value->find(style.delimiter) != value->npos ||
                            value->find(style.quote) != value->npos ||
                            value->find('\n') != value->npos ||
                            (is_last && (value->ends_with('\r') || value->empty()));
  if (!needs_quotes && random.Uniform(4) >= style.quoted_in_4) return *value;
  std::string text(1, style.quote);
  for (const char c : *value) {
    if (c == style.quote) text += c;
    text += c;
  }
  return text + style.quote;
}

}  // namespace csv_generator

/// A file of up to `rows_max` rows.
inline GeneratedCsv GenerateCsv(Random& random, std::size_t rows_max) {
  using csv_generator::Style;
  Style style{.delimiter = ",;\t|"[random.Uniform(4)],
              .quote = random.Uniform(4) == 0 ? '\'' : '"',
              .null = random.Uniform(3) == 0 ? "NA" : "",
              .quoted_in_4 = random.Uniform(5),
              .specials_in_8 = random.Uniform(9),
              .returns_in_4 = random.Uniform(3) * 2,
              .blanks_in_8 = random.Uniform(3)};
  const bool has_header = random.Uniform(4) > 0;
  const std::size_t column_count = 1 + random.Uniform(5);
  GeneratedCsv file;
  file.spec = "csv,delimiter=";
  file.spec += style.delimiter == ',' ? "\\," : std::string(1, style.delimiter);
  file.spec += std::string(",quote=") + style.quote + ",null=" + style.null;
  file.spec += has_header ? ",header=yes" : ",header=no";
  if (random.Uniform(4) == 0) file.text = "\xEF\xBB\xBF";

  const auto end_line = [&] {
    file.text += random.Uniform(4) < style.returns_in_4 ? "\r\n" : "\n";
  };
  const auto add_blanks = [&] {
    while (column_count > 1 && random.Uniform(8) < style.blanks_in_8) end_line();
  };
  for (std::size_t i = 1; i <= column_count; ++i) {
    const std::string number = std::to_string(i);
    file.columns.push_back(has_header ? csv_generator::RandomValue(random, style) + number
                                      : number);
  }
  if (has_header) {
    add_blanks();
    for (std::size_t i = 0; i < column_count; ++i) {
      if (i > 0) file.text += style.delimiter;
      file.text += csv_generator::Written(random, style, file.columns[i], i + 1 == column_count);
    }
    end_line();
  }
  for (std::size_t row_count = random.Uniform(rows_max + 1); row_count > 0; --row_count) {
    add_blanks();
    GeneratedCsv::Row& row = file.rows.emplace_back();
    row.offset = file.text.size();
    for (std::size_t i = 0; i < column_count; ++i) {
      std::optional<std::string>& value = row.fields.emplace_back();
      if (random.Uniform(6) > 0) value = csv_generator::RandomValue(random, style);
      if (i > 0) row.raw += style.delimiter;
      row.raw += csv_generator::Written(random, style, value, i + 1 == column_count);
    }
    file.text += row.raw;
    end_line();
  }
  // The last record needs no line end, but where it has no bytes of its own.
  if (!file.rows.empty() && !file.rows.back().raw.empty() && random.Uniform(3) == 0) {
    file.text.resize(file.rows.back().offset + file.rows.back().raw.size());
  } else if (has_header || !file.rows.empty()) {
    add_blanks();  // Alone they would be rows of one column.
  }
  return file;
}

}  // namespace millrace

#endif  // TESTS_UNIT_FORMATS_CSV_GENERATOR_H_
