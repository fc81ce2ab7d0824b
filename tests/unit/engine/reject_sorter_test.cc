// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/reject_sorter.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "mapreduce/base/random.h"
#include "tests/unit/engine/execute_tools.h"

namespace millrace {
namespace {

class RejectSorterTest : public ::testing::Test {
 protected:
  RejectSorterTest() {
    for (const char* input : {"z", "a"}) {
      ExecutionInput& made = inputs_.emplace_back();
      made.name = input;
      for (const char* shard : {"2", "1"}) made.shards.emplace_back().file.path = shard;
    }
  }

  // Some of them of no shard, some of one place.
  std::string Rows(std::size_t count) {
    std::string rows;
    for (std::size_t i = 0; i < count; ++i) {
      const bool is_group = random_.Uniform(4) == 0;
      rows += std::string(random_.Uniform(2) == 0 ? "a" : "z") + "\t";
      if (!is_group) rows += random_.Uniform(2) == 0 ? "1" : "2";
      rows += "\t" + std::to_string(is_group ? 0 : random_.Uniform(300)) + "\twhy\t" +
              std::string(random_.Uniform(random_.Uniform(9) == 0 ? 2000 : 20), 'r') +
              std::to_string(i) + "\n";
    }
    return rows;
  }

  Random random_{ExecuteSeed()};
  std::vector<ExecutionInput> inputs_;
  ExecuteFolder folder_;
};

TEST_F(RejectSorterTest, SortsInAnyMemoryAsOrderRejects) {
  for (const std::size_t memory : {1, 100, 3000, 1 << 20}) {
    const std::string rows = Rows(400), directory = folder_.Path("sorted");
    std::string sorted;
    {
      RejectSorter sorter(LocalFileSystem(), directory, inputs_, memory);
      RowPieces pieces;
      for (std::size_t at = 0; at < rows.size();) {  // Cut anywhere.
        const std::size_t bytes = 1 + random_.Uniform(500);
        pieces.Add(std::string_view(rows).substr(at, bytes), [&](std::string_view row) {
          const Status status = sorter.Add(row);
          EXPECT_TRUE(status.ok()) << status.message();
          return status.ok();
        });
        at += bytes;
      }
      EXPECT_TRUE(pieces.is_whole());
      EXPECT_EQ(std::filesystem::exists(directory), memory < 1 << 20);
      const Status status = sorter.Finish([&](std::string_view row) { sorted += row; });
      ASSERT_TRUE(status.ok()) << status.message();
    }
    EXPECT_TRUE(sorted == OrderRejects(rows, inputs_)) << memory;
    EXPECT_FALSE(std::filesystem::exists(directory));
  }
}

TEST_F(RejectSorterTest, BeginsAnewWhereAnotherWasStopped) {
  const std::string directory = folder_.NewFolder("left"), rows = Rows(50);
  std::ofstream(directory + "/run-1") << "of an earlier life";
  RejectSorter sorter(LocalFileSystem(), directory, inputs_, 1);
  RowPieces().Add(rows, [&](std::string_view row) { return sorter.Add(row).ok(); });
  std::string sorted;
  ASSERT_TRUE(sorter.Finish([&](std::string_view row) { sorted += row; }).ok());
  EXPECT_TRUE(sorted == OrderRejects(rows, inputs_));
}

TEST_F(RejectSorterTest, PiecesMakeRowsUntilSomebodyHasEnough) {
  std::vector<std::string> rows;
  const auto take = [&](std::string_view row) {
    rows.emplace_back(row);
    return rows.size() < 3;
  };
  RowPieces pieces;
  EXPECT_TRUE(pieces.Add("a\nb", take));
  EXPECT_FALSE(pieces.is_whole());
  EXPECT_TRUE(pieces.Add("", take));
  EXPECT_TRUE(pieces.Add("b\n", take));
  EXPECT_TRUE(pieces.is_whole());
  EXPECT_FALSE(pieces.Add("c\nd\n", take));
  EXPECT_EQ(rows, (std::vector<std::string>{"a\n", "bb\n", "c\n"}));
}

TEST_F(RejectSorterTest, LateIsWhatHasAShard) {
  EXPECT_TRUE(IsLate("in\ts\t0\twhy\traw\n"));
  EXPECT_FALSE(IsLate("stage\t\t0\twhy\traw\n"));
  EXPECT_FALSE(IsLate(""));
  EXPECT_TRUE(HaveLate("stage\t\t0\twhy\traw\nin\ts\t0\twhy\traw\n"));
  EXPECT_FALSE(HaveLate("stage\t\t0\twhy\ta\\tb\n"));
}

}  // namespace
}  // namespace millrace
