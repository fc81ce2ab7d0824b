// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/shuffle/group_reader.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/shuffle/test_records.h"

namespace millrace {
namespace {

// A key's group: the bytes up to and with the first 'p', or all.
std::size_t UpToP(std::string_view key) {
  const std::size_t p = key.find('p');
  return p == std::string_view::npos ? key.size() : p + 1;
}

class GroupReaderTest : public ::testing::Test {
 protected:
  // The same records in three cursors, merged.
  std::unique_ptr<Merger> Merged(const std::vector<Record>& sorted) {
    std::vector<std::vector<Record>> pieces(3);
    for (const Record& record : sorted) pieces[random_.Uniform(3)].push_back(record);
    std::vector<std::unique_ptr<RunCursor>> cursors;
    for (auto& piece : pieces) {
      cursors.push_back(std::make_unique<TestCursor>(std::move(piece), 5));
    }
    auto merger = std::make_unique<Merger>(std::move(cursors));
    EXPECT_TRUE(merger->Start().ok());
    return merger;
  }

  Random random_{TestSeed()};
};

TEST_F(GroupReaderTest, CutsWhereKeysChange) {
  for (const GroupReader::PrefixBytes prefix : {GroupReader::PrefixBytes(nullptr), &UpToP}) {
    std::vector<Record> records = NastyRecords(random_, 2000, 20);
    // No group may be a prefix of another: that is what the encoding of keys sees to.
    if (prefix != nullptr) {
      std::erase_if(records, [](const Record& r) { return r.key.find('p') == std::string::npos; });
    }
    std::map<std::string, std::multiset<std::string>> expected;
    for (const Record& record : records) {
      const std::string group =
          record.key.substr(0, prefix == nullptr ? std::string::npos : prefix(record.key));
      expected[group].insert(record.key + "=" + record.value);
    }
    const auto merger = Merged(records);
    GroupReader groups(*merger, prefix);
    std::map<std::string, std::multiset<std::string>> found;
    std::string last;
    while (groups.NextGroup()) {
      const std::string key(groups.key());
      EXPECT_TRUE(found.empty() || last < key) << "a group that comes again";
      last = key;
      while (groups.NextValue()) {
        EXPECT_TRUE(groups.record().key_view().starts_with(key));
        found[key].insert(std::string(groups.record().key_view()) + "=" +
                          std::string(groups.record().value_view()));
      }
      EXPECT_FALSE(groups.NextValue());
    }
    EXPECT_TRUE(groups.status().ok());
    EXPECT_TRUE(found == expected);
  }
}

TEST_F(GroupReaderTest, SkipsWhatNobodyAskedFor) {
  const std::vector<Record> records = NastyRecords(random_, 2000, 3);
  std::map<std::string, std::size_t> sizes;
  for (const Record& record : records) ++sizes[record.key];
  const auto merger = Merged(records);
  GroupReader groups(*merger);
  auto expected = sizes.begin();
  while (groups.NextGroup()) {
    ASSERT_NE(expected, sizes.end());
    EXPECT_EQ(groups.key(), expected->first);
    std::size_t wanted = random_.Uniform(expected->second + 2);  // Some, all, one too many.
    std::size_t got = 0;
    while (got < wanted && groups.NextValue()) ++got;
    EXPECT_EQ(got, std::min(wanted, expected->second));
    ++expected;
  }
  EXPECT_EQ(expected, sizes.end());
}

TEST_F(GroupReaderTest, EndsWithTheStreamsError) {
  std::vector<std::unique_ptr<RunCursor>> cursors;
  cursors.push_back(std::make_unique<TestCursor>(
      std::vector<Record>{{"a", "1"}, {"a", "2"}, {"b", "3"}}, 1, Status::Corrupt("damage")));
  Merger merger(std::move(cursors));
  ASSERT_TRUE(merger.Start().ok());
  GroupReader groups(merger);
  while (groups.NextGroup()) {
    while (groups.NextValue()) {
    }
  }
  EXPECT_EQ(groups.status().code(), StatusCode::kCorrupt);
  EXPECT_FALSE(groups.NextGroup());
}

TEST_F(GroupReaderTest, AnEmptyStreamHasNoGroup) {
  const auto merger = Merged({});
  GroupReader groups(*merger);
  EXPECT_FALSE(groups.NextGroup());
  EXPECT_FALSE(groups.NextValue());
  EXPECT_TRUE(groups.status().ok());
}

}  // namespace
}  // namespace millrace
