// SPDX-License-Identifier: Apache-2.0
#include "cli/show_commands.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "cli/console.h"
#include "cli/schema_command.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/output_reader.h"
#include "mapreduce/formats/output_row_ends.h"

namespace millrace {
namespace {

constexpr std::uint64_t kHeadLines = 10;

// The leading rows of `text`, at most `*rows` of them, which are then counted off.
std::string_view TakeRows(std::string_view text, RowEnds& ends, std::uint64_t* rows) {
  std::size_t taken = 0;
  while (*rows > 0 && taken < text.size()) {
    const std::size_t end = ends.Find(text.substr(taken));
    if (end == text.npos) return text;
    taken += end;
    --*rows;
  }
  return text.substr(0, taken);
}

// Prints the file's rows, at most `*rows` of them, which are then counted off; a header is none.
Status ShowFile(OutputReader& reader, OutputFormat format, bool shows_header, std::uint64_t* rows) {
  RowEnds ends(format);
  std::uint64_t header_rows = HasHeader(format) ? 1 : 0;
  while (*rows > 0 || header_rows > 0) {
    MR_ASSIGN_OR_RETURN(std::string_view block, reader.Next());
    if (block.empty()) break;
    if (header_rows > 0) {
      const std::string_view header = TakeRows(block, ends, &header_rows);
      block.remove_prefix(header.size());
      if (shows_header) MR_RETURN_IF_ERROR(WriteStdout(header));
    }
    const bool is_all = *rows == std::numeric_limits<std::uint64_t>::max();
    MR_RETURN_IF_ERROR(WriteStdout(is_all ? block : TakeRows(block, ends, rows)));
  }
  return {};
}

Status Show(const Arguments& arguments, std::uint64_t rows) {
  if (arguments.argument.empty()) {
    return Status::InvalidArgument("which output? see `millrace ", arguments.command->name,
                                   " --help`");
  }
  FileSystem& files = LocalFileSystem();
  MR_ASSIGN_OR_RETURN(const OutputListing listing,
                      ListOutput(files, arguments.argument, arguments.Get("--name")));
  for (const OutputListing::File& file : listing.files) {
    const bool is_first = &file == &listing.files.front();
    if (rows == 0 && !is_first) return {};
    MR_ASSIGN_OR_RETURN(
        const std::unique_ptr<OutputReader> reader,
        OutputReader::Open(files, file.path, file.bytes, listing.compression, file.format));
    MR_RETURN_IF_ERROR(ShowFile(*reader, file.format, is_first, &rows));
  }
  return {};
}

}  // namespace

int CatCommand(const Arguments& arguments) {
  return FinishStdout(Show(arguments, std::numeric_limits<std::uint64_t>::max()));
}

int HeadCommand(const Arguments& arguments) {
  const auto show = [&arguments]() -> Status {
    MR_ASSIGN_OR_RETURN(
        const std::optional<std::uint64_t> lines,
        CountFlag(arguments, "--lines", 0, std::numeric_limits<std::uint64_t>::max() - 1));
    if (!arguments.argument.empty() && !IsOutput(arguments))
      return HeadOfFiles(arguments, lines.value_or(kHeadLines));
    return Show(arguments, lines.value_or(kHeadLines));
  };
  return FinishStdout(show());
}

}  // namespace millrace
