// SPDX-License-Identifier: Apache-2.0
// The code in the pages is code that this build compiles, and no link leads nowhere.
#include <filesystem>
#include <regex>
#include <string>

#include "gtest/gtest.h"
#include "tests/unit/docs/page.h"

namespace millrace {
namespace {

// docs/examples/CMakeLists.txt and docs/examples/tutorial/CMakeLists.txt in one text.
std::string BuildOfExamples() { return ReadProjectFile("docs/examples/CMakeLists.txt"); }

std::string WithoutLicenseLine(const std::string& text) { return text.substr(text.find('\n') + 1); }

TEST(PagesTest, EveryCodeBlockIsAFileOrStandsInOne) {
  int checked = 0;
  for (const Page& page : ReadPages()) {
    for (const CodeBlock& block : page.blocks) {
      if (block.language != "cpp" && block.language != "cmake") continue;
      const std::size_t space = block.mark.find(' ');
      ASSERT_NE(space, std::string::npos) << block.place << ": say which file this code is from";
      const std::string kind = block.mark.substr(0, space);
      const std::string path = block.mark.substr(space + 1);
      const std::string file = ReadProjectFile(path);
      if (kind == "listing") {
        EXPECT_EQ(block.text, WithoutLicenseLine(file)) << block.place;
      } else {
        EXPECT_EQ(kind, "excerpt") << block.place;
        EXPECT_NE(("\n" + file).find("\n" + block.text), std::string::npos)
            << block.place << ": not a piece of " << path << ":\n"
            << block.text;
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 10);  // The test sees the blocks at all.
}

TEST(PagesTest, EveryExampleIsCompiled) {
  const std::filesystem::path root = MILLRACE_SOURCE_DIR;
  const std::string build = BuildOfExamples();
  int checked = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "docs/examples")) {
    const std::string path = entry.path().lexically_relative(root / "docs/examples").string();
    if (entry.path().extension() != ".cc" || path.starts_with("errors/")) continue;
    EXPECT_NE(build.find(path), std::string::npos) << path << " is in no target";
    ++checked;
  }
  EXPECT_GT(checked, 3);
}

TEST(PagesTest, EveryLinkLeadsToAFile) {
  const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  int checked = 0;
  for (const Page& page : ReadPages()) {
    const std::filesystem::path folder =
        (std::filesystem::path(MILLRACE_SOURCE_DIR) / page.path).parent_path();
    for (std::sregex_iterator at(page.text.begin(), page.text.end(), link), end; at != end; ++at) {
      EXPECT_TRUE(std::filesystem::exists(folder / (*at)[1].str()))
          << page.path << " links to " << (*at)[1];
      ++checked;
    }
  }
  EXPECT_GT(checked, 10);
}

TEST(PagesTest, EveryPageIsReachedFromTheContents) {
  const std::string contents =
      ReadProjectFile("docs/README.md") + ReadProjectFile("docs/decisions/README.md");
  for (const Page& page : ReadPages()) {
    if (page.path == "README.md" || page.path == "docs/README.md") continue;
    const bool is_decision =
        page.path.starts_with("docs/decisions/0") || page.path.starts_with("docs/decisions/1");
    const std::string folder = is_decision ? "docs/decisions/" : "docs/";
    const std::string path = page.path.substr(folder.size());
    EXPECT_NE(contents.find("(" + path + ")"), std::string::npos)
        << "no table of contents links to " << path;
  }
}

// Tables and what a compiler prints can't be wrapped.
TEST(PagesTest, TextAndCodeAreAtMost100CharactersWide) {
  for (const Page& page : ReadPages()) {
    int number = 0;
    bool is_block = false, is_output = false;
    for (const std::string& line : SplitLines(page.text)) {
      ++number;
      if (line.starts_with("```")) {
        is_output = !is_block && line == "```";  // A block without a language.
        is_block = !is_block;
      }
      if (is_output || line.starts_with("|") || line.starts_with("<!--")) continue;
      int width = 0;  // In characters: continuation bytes of UTF-8 don't count.
      for (const char c : line) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
      EXPECT_LE(width, 100) << page.path << ":" << number;
    }
  }
}

}  // namespace
}  // namespace millrace
