// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_UNIT_DOCS_PAGE_H_
#define TESTS_UNIT_DOCS_PAGE_H_

// The pages of the documentation as these tests see them: code blocks, each with the HTML comment
// on the line before it, which says what it is checked against, and links.
//
//   <!-- listing docs/examples/track_plays.cc -->   the block is this file, without its SPDX line
//   <!-- excerpt docs/examples/api.cc -->           the block stands in this file word for word
//   <!-- setup COMMAND -->                          run, unseen, before the page's transcripts
//   <!-- not run -->                                a console block that no test runs
//
// "…" in a block of output stands for any text within a line, alone on a line for any lines.

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct CodeBlock {
  std::string mark;      ///< Between "<!-- " and " -->", or empty.
  std::string language;  ///< "cpp", "console" …
  std::string text;      ///< Each line with its LF.
  std::string place;     ///< "docs/tutorial.md:12".
};

struct Page {
  std::string path;  ///< Relative to the project.
  std::string text;
  std::vector<std::string> setup;
  std::vector<CodeBlock> blocks;

  friend std::ostream& operator<<(std::ostream& out, const Page& page) { return out << page.path; }
};

/// README.md and all below docs/, by path.
std::vector<Page> ReadPages();
/// A file of the project; fails the test where it can't be read.
std::string ReadProjectFile(const std::string& path);

/// The page's one block with the mark; fails the test if there is not exactly one.
CodeBlock FindBlock(const std::string& path, const std::string& mark);

std::vector<std::string> SplitLines(std::string_view text);

/// Whether `actual` is what `expected` says, where "…" stands for any text.
bool Matches(std::string_view expected, std::string_view actual);
bool LineMatches(std::string_view expected, std::string_view actual);

/// What a shell command prints on stdout and stderr, run in `directory`.
std::string OutputOf(const std::string& command, const std::string& directory);

}  // namespace millrace

#endif  // TESTS_UNIT_DOCS_PAGE_H_
