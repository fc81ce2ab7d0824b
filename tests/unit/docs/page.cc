// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/docs/page.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "gtest/gtest.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFence = "```";
constexpr std::string_view kAny = "…";

// What stands between "<!-- " and " -->", if that is all of the line.
std::string CommentOf(const std::string& line) {
  if (!line.starts_with("<!-- ") || !line.ends_with(" -->")) return "";
  return line.substr(5, line.size() - 9);
}

Page ReadPage(const std::string& path) {
  Page page{.path = path, .text = ReadProjectFile(path)};
  const std::vector<std::string> lines = SplitLines(page.text);
  std::string mark;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string comment = CommentOf(lines[i]);
    if (comment.starts_with("setup ")) page.setup.push_back(comment.substr(6));
    if (lines[i].starts_with(kFence)) {
      CodeBlock block{.mark = mark,
                      .language = lines[i].substr(kFence.size()),
                      .place = path + ":" + std::to_string(i + 1)};
      for (++i; i < lines.size() && lines[i] != kFence; ++i) block.text += lines[i] + "\n";
      EXPECT_LT(i, lines.size()) << block.place << ": the block has no end";
      page.blocks.push_back(block);
    }
    mark = comment;
  }
  return page;
}

bool LinesMatch(const std::vector<std::string>& expected, std::size_t e,
                const std::vector<std::string>& actual, std::size_t a) {
  for (; e < expected.size(); ++e, ++a) {
    if (expected[e] == kAny) {
      for (std::size_t skip = a; skip <= actual.size(); ++skip) {
        if (LinesMatch(expected, e + 1, actual, skip)) return true;
      }
      return false;
    }
    if (a >= actual.size() || !LineMatches(expected[e], actual[a])) return false;
  }
  return a == actual.size();
}

}  // namespace

std::string ReadProjectFile(const std::string& path) {
  std::ifstream file(fs::path(MILLRACE_SOURCE_DIR) / path, std::ios::binary);
  EXPECT_TRUE(file.good()) << "cannot read " << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Page> ReadPages() {
  const fs::path root = MILLRACE_SOURCE_DIR;
  std::vector<std::string> paths = {"README.md"};
  for (const auto& entry : fs::recursive_directory_iterator(root / "docs")) {
    if (entry.path().extension() != ".md") continue;
    paths.push_back(entry.path().lexically_relative(root).string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Page> pages;
  for (const std::string& path : paths) pages.push_back(ReadPage(path));
  return pages;
}

CodeBlock FindBlock(const std::string& path, const std::string& mark) {
  const Page page = ReadPage(path);
  CodeBlock found;
  int count = 0;
  for (const CodeBlock& block : page.blocks) {
    if (block.mark != mark) continue;
    found = block;
    ++count;
  }
  EXPECT_EQ(count, 1) << path << ": blocks marked <!-- " << mark << " -->";
  return found;
}

std::vector<std::string> SplitLines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool LineMatches(std::string_view expected, std::string_view actual) {
  const std::size_t any = expected.find(kAny);
  if (any == std::string_view::npos) return expected == actual;
  if (!actual.starts_with(expected.substr(0, any))) return false;
  expected.remove_prefix(any + kAny.size());
  for (std::size_t from = any; from <= actual.size(); ++from) {
    if (LineMatches(expected, actual.substr(from))) return true;
  }
  return false;
}

bool Matches(std::string_view expected, std::string_view actual) {
  return LinesMatch(SplitLines(expected), 0, SplitLines(actual), 0);
}

std::string OutputOf(const std::string& command, const std::string& directory) {
  const std::string script = "cd '" + directory + "' && { " + command + "\n} 2>&1";
  std::FILE* const pipe = popen(script.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string output;
  char piece[4096];
  for (std::size_t got; (got = std::fread(piece, 1, sizeof(piece), pipe)) > 0;) {
    output.append(piece, got);
  }
  pclose(pipe);  // A command that fails says so in what it prints.
  return output;
}

}  // namespace millrace
