// SPDX-License-Identifier: Apache-2.0
#include "cli/show_commands.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "cli/console.h"
#include "mapreduce/engine/output_reader.h"

namespace millrace {
namespace {

constexpr std::uint64_t kHeadLines = 10;

// The leading lines of `text`, at most `*lines` of them, which are then counted off.
std::string_view TakeLines(std::string_view text, std::uint64_t* lines) {
  std::size_t end = 0;
  while (*lines > 0 && end < text.size()) {
    const void* const newline = std::memchr(text.data() + end, '\n', text.size() - end);
    if (newline == nullptr) return text;
    end = static_cast<std::size_t>(static_cast<const char*>(newline) - text.data()) + 1;
    --*lines;
  }
  return text.substr(0, end);
}

Status Show(const Arguments& arguments, std::uint64_t lines) {
  if (arguments.argument.empty()) {
    return Status::InvalidArgument("which output? see `millrace ", arguments.command->name,
                                   " --help`");
  }
  FileSystem& files = LocalFileSystem();
  MR_ASSIGN_OR_RETURN(const OutputListing listing,
                      ListOutput(files, arguments.argument, arguments.Get("--name")));
  for (const OutputListing::File& file : listing.files) {
    if (lines == 0) return {};
    MR_ASSIGN_OR_RETURN(const std::unique_ptr<OutputReader> reader,
                        OutputReader::Open(files, file.path, file.bytes, listing.compression));
    while (lines > 0) {
      MR_ASSIGN_OR_RETURN(const std::string_view block, reader->Next());
      if (block.empty()) break;
      const bool is_all = lines == std::numeric_limits<std::uint64_t>::max();
      MR_RETURN_IF_ERROR(WriteStdout(is_all ? block : TakeLines(block, &lines)));
    }
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
    return Show(arguments, lines.value_or(kHeadLines));
  };
  return FinishStdout(show());
}

}  // namespace millrace
