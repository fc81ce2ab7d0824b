// SPDX-License-Identifier: Apache-2.0
// Tables: what a lookup gives, for keys and values of all kinds; and in jobs, who may look up in
// what, and what a table is made of.
#include "mapreduce/api/table.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mapreduce/api/job.h"
#include "mapreduce/base/random.h"
#include "mapreduce/testing/determinism.h"
#include "mapreduce/testing/make_table.h"
#include "mapreduce/testing/test_run.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A table in `file_count` files.
template <class K, class V>
Table<K, V> TableInFiles(const std::vector<std::pair<K, V>>& rows, std::size_t file_count) {
  std::vector<testing_internal::EncodedRow> encoded;
  for (const auto& [key, value] : rows)
    encoded.push_back(testing_internal::EncodeTableRow(key, value));
  return Table<K, V>(
      testing_internal::ExpectTable(testing_internal::MakeTableSet(encoded, file_count)));
}

// Every lookup of every row, for rows in key order.
template <class K, class V>
void ExpectHolds(const std::vector<std::pair<K, V>>& rows, const std::vector<K>& others) {
  for (std::size_t file_count = 1; file_count <= rows.size() + 1; ++file_count) {
    SCOPED_TRACE("files: " + std::to_string(file_count));
    const Table<K, V> table = TableInFiles(rows, file_count);
    EXPECT_EQ(table.size(), rows.size());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto& [key, value] = rows[row];
      table.Prefetch(key);
      EXPECT_EQ(table.Find(key), value) << "row " << row;
      EXPECT_TRUE(table.Contains(key)) << "row " << row;
      EXPECT_EQ(table.RowOf(key), row);
      const KeyValue<K, V> pair = table.Row(row);
      EXPECT_EQ(pair.key, key) << "row " << row;
      EXPECT_EQ(pair.value, value) << "row " << row;
    }
    for (const K& other : others) {
      table.Prefetch(other);
      EXPECT_EQ(table.Find(other), std::nullopt);
      EXPECT_FALSE(table.Contains(other));
      EXPECT_EQ(table.RowOf(other), std::nullopt);
    }
  }
}

enum class Color : std::uint8_t { kRed, kGreen };
struct Size {
  std::int32_t width = 0;
  std::string name;
  MR_FIELDS(Size, width, name)
  friend auto operator<=>(const Size&, const Size&) = default;
};
using namespace std::string_literals;       // NOLINT: strings with zero bytes.
using namespace std::string_view_literals;  // NOLINT

TEST(TableTest, HasKeysOfAllKindsInTheirOrder) {
  ExpectHolds<std::int64_t, std::int64_t>({{INT64_MIN, 1}, {-1, 2}, {0, 3}, {INT64_MAX, 4}},
                                          {1, -2});
  ExpectHolds<std::uint8_t, std::int64_t>({{0, 1}, {1, 2}, {255, 3}}, {2, 254});
  ExpectHolds<double, std::int64_t>({{-1e300, 1}, {-0.5, 2}, {0, 3}, {7, 4}}, {0.5, 1e300});
  ExpectHolds<bool, std::int64_t>({{true, 1}}, {false});
  ExpectHolds<Color, std::int64_t>({{Color::kGreen, 1}}, {Color::kRed});
  ExpectHolds<std::optional<std::string>, std::int64_t>({{std::nullopt, 1}, {"", 2}, {"a", 3}},
                                                        {"b", "aa"});
  ExpectHolds<std::vector<std::string>, std::int64_t>({{{}, 1}, {{"", ""}, 2}, {{"a", "b"}, 3}},
                                                      {{""}, {"a"}, {"ab"}});
  ExpectHolds<Descending<std::int64_t>, std::int64_t>({{{9}, 1}, {{-9}, 2}}, {{0}});
  ExpectHolds<Size, std::int64_t>({{{1, "b"}, 1}, {{2, "a"}, 2}}, {{1, "a"}, {2, ""}});
}

// Bytes 00 and 01 are escaped in a part of a key that is not its last.
TEST(TableTest, TellsKeysWithBytesZeroAndOneApart) {
  ExpectHolds<std::string, std::int64_t>(
      {{"", 1}, {"\0"s, 2}, {"\0\0"s, 3}, {"\0\1"s, 4}, {"\1"s, 5}, {"\1\0"s, 6}, {"a", 7}},
      {"\1\1"s, "\0\0\0"s, "a\0"s});
  ExpectHolds<std::string_view, std::int64_t>({{""sv, 1}, {"\0"sv, 2}, {"\1"sv, 3}}, {"\0\0"sv});
  using Key = std::tuple<std::string, std::string>;
  ExpectHolds<Key, std::int64_t>({{{"", ""}, 1},
                                  {{"", "\0"s}, 2},
                                  {{"\0"s, ""}, 3},
                                  {{"\0\1"s, "\1"s}, 4},
                                  {{"\1"s, "\0"s}, 5},
                                  {{"a", "b"}, 6}},
                                 {{"\0"s, "\1"s}, {"ab", ""}, {"", "ab"}, {"\0\1\1"s, ""}});
}

// Its views are decoded into room of the table's own.
TEST(TableTest, GivesARowWhoseKeyHasViewsOfEscapedBytes) {
  using Key = std::tuple<std::string_view, std::int32_t>;
  const Table<Key, std::string_view> table =
      MakeTable<Key, std::string_view>({{{"a\0b\1c"sv, 7}, "x"}, {{"plain"sv, 8}, "y"}});
  const auto plain = table.Row(1);
  const auto escaped = table.Row(0);
  EXPECT_EQ(std::get<0>(plain.key), "plain");
  EXPECT_EQ(std::get<0>(escaped.key), "a\0b\1c"sv);
  EXPECT_EQ(std::get<1>(escaped.key), 7);
  EXPECT_EQ(escaped.value, "x");
}

TEST(TableTest, FindsKeysThatAreTooLongForTheStack) {
  using Key = std::tuple<std::string, std::int32_t>;
  const std::string zeros(3000, '\0'), letters(100000, 'x');
  ExpectHolds<Key, std::string>({{{zeros, 1}, letters}, {{letters, 2}, zeros}},
                                {{zeros, 2}, {letters + "x", 2}, {"", 0}});
}

TEST(TableTest, HasValuesOfAllKinds) {
  using Strings = std::vector<std::string>;
  ExpectHolds<std::string, Strings>({{"a", {}}, {"b", {"", "x\0y"s}}}, {"c"});
  ExpectHolds<std::string, std::optional<std::string>>(
      {{"a", "text"}, {"b", std::optional<std::string>("")}}, {"c"});
  ExpectHolds<std::string, std::tuple<std::string, double>>({{"a", {"x", 0.1}}}, {""});
  ExpectHolds<std::string, Size>({{"a", {-5, "five"}}}, {""});
  ExpectHolds<std::string, std::string>({{"", ""}, {"big", std::string(1 << 20, 'b')}}, {"b"});
  const auto units = MakeTable<std::string, Unit>({{"a", {}}});
  EXPECT_TRUE(units.Contains("a"));
  EXPECT_FALSE(units.Find("b").has_value());
}

// A key that is there with a NULL is another thing than one that is not.
TEST(TableTest, TellsANullValueFromNone) {
  const auto table =
      MakeTable<std::string, std::optional<std::string>>({{"null", std::nullopt}, {"some", "x"}});
  ASSERT_TRUE(table.Find("null").has_value());
  EXPECT_EQ(*table.Find("null"), std::nullopt);
  EXPECT_FALSE(table.Find("none").has_value());
}

TEST(TableTest, IsEmptyWithoutRows) {
  for (const auto& table :
       {Table<std::string, std::int64_t>(), MakeTable<std::string, std::int64_t>({}),
        TableInFiles<std::string, std::int64_t>({}, 3)}) {
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.Find("a"), std::nullopt);
    EXPECT_FALSE(table.Contains(""));
    EXPECT_EQ(table.RowOf("a"), std::nullopt);
    table.Prefetch("a");
  }
}

TEST(TableTest, IsWhatASortedMapIs) {
  const std::uint64_t seed = TestSeed();
  SCOPED_TRACE("MILLRACE_TEST_SEED=" + std::to_string(seed));
  Random random(seed);
  const auto any_key = [&random] {
    std::string key(random.Uniform(5), '\0');
    for (char& byte : key) byte = "\0\1\2\xff"[random.Uniform(4)];
    return std::tuple(key, static_cast<std::int16_t>(random.Uniform(3)));
  };
  for (int round = 0; round < 20; ++round) {
    std::map<std::tuple<std::string, std::int16_t>, std::string> wanted;
    const std::uint64_t count = random.Uniform(2000);
    for (std::uint64_t i = 0; i < count; ++i) {
      wanted[any_key()] = std::string(random.Uniform(random.Uniform(8) == 0 ? 100 : 10), 'v');
    }
    const auto table = TableInFiles<std::tuple<std::string, std::int16_t>, std::string>(
        {wanted.begin(), wanted.end()}, 1 + random.Uniform(5));
    ASSERT_EQ(table.size(), wanted.size());
    std::uint64_t row = 0;
    for (const auto& [key, value] : wanted) {
      ASSERT_EQ(table.RowOf(key), row);
      ASSERT_EQ(table.Row(row).key, key);
      ASSERT_EQ(table.Row(row++).value, value);
    }
    for (int i = 0; i < 300; ++i) {
      const auto key = any_key();
      const auto found = wanted.find(key);
      ASSERT_EQ(table.Find(key),
                found == wanted.end() ? std::nullopt : std::optional<std::string>(found->second));
      ASSERT_EQ(table.Contains(key), found != wanted.end());
    }
  }
}

// Jobs.

using Name = std::string_view;
struct Play {
  Name user, track;
  MR_FIELDS(Play, user, track)
};
struct User {
  Name user, country;
  MR_FIELDS(User, user, country)
};

struct CountryOfUser {
  void Map(const User& user, Emitter<Name, Sourced<Name>>& emit, Context& context) {
    emit(user.user, {user.country, context.origin()});
  }
};
struct PlaysByTrack {
  void Map(const Play& play, Emitter<Name, Unit>& emit) { emit(play.track); }
};
struct WithCountry {
  Table<Name, Name> countries;
  void Map(const Play& play, Emitter<Name, Name>& emit) {
    emit(countries.Find(play.user).value_or("?"), play.track);
  }
};

void PlaysWithCountry(Job& job) {
  auto countries = job.Read<User>("users").Map<CountryOfUser>().AsTable();
  job.Read<Play>("plays").Map<WithCountry>(countries).Write<Tsv>("out");
}

TEST(SideInputTest, IsLookedUpByAMapAlone) {
  const TestRun run = TestRun(PlaysWithCountry)
                          .Shards("users", {"u2\tDE\n", "u1\tSE\n"})
                          .Input("plays", "u1\ta\nu3\tb\nu2\tc\nu1\td\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("SE\ta", "?\tb", "DE\tc", "SE\td"));
  EXPECT_EQ(run.Run().records_in, 6u);
  EXPECT_DETERMINISTIC(run);
}

TEST(SideInputTest, SetsALaterRecordOfAKeyAside) {
  const TestRun run = TestRun(PlaysWithCountry)
                          .Shards("users", {"u2\tDE\nu1\tSE\nu2\tFR\n", "",
                                            "u3\tX\nu1\t\\x41\tmore\n"
                                            "u2\tNO\n"})
                          .Input("plays", "u1\ta\nu2\tb\n")
                          .MaxRejects(3);
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows(), ElementsAre("SE\ta", "DE\tb"));
  const std::string reason = "its key was there before";
  EXPECT_THAT(result.rejects, ElementsAre(TestReject{"users", 0, 12, reason, "u2\tFR"},
                                          TestReject{"users", 2, 5, reason, "u1\t\\x41\tmore"},
                                          TestReject{"users", 2, 18, reason, "u2\tNO"}));
  EXPECT_DETERMINISTIC(run);
  EXPECT_EQ(TestRun(run).MaxRejects(2).Run().status.code(), StatusCode::kBadData);
}

// One that no small table holds: then none holds the others, either, which have no slots for that.
TEST(SideInputTest, FindsSmallRecordsBesideALargeOne) {
  std::string users, plays;
  std::vector<std::string> rows;
  for (int i = 1000; i < 1500; ++i) {
    const std::string user = "u" + std::to_string(i);
    if (i % 3 > 0) users += user + "\t" + std::to_string(i * 7) + "\n";
    plays += user + "\ta\n";
    rows.push_back((i % 3 > 0 ? std::to_string(i * 7) : "?") + "\ta");
  }
  users += std::string(70, 'z') + "\tDE\n";
  plays += std::string(70, 'z') + "\tb\n";
  rows.emplace_back("DE\tb");
  const TestRun run = TestRun(PlaysWithCountry).Input("users", users).Input("plays", plays);
  EXPECT_EQ(run.Run().Rows(), rows);
  EXPECT_DETERMINISTIC(run);
}

struct RowOfTrack {
  Table<Name, std::int64_t> plays;
  void Map(const Play& play, Emitter<std::uint64_t, Name>& emit) {
    emit(plays.RowOf(play.track).value_or(9999), play.track);
  }
};
void NumberTracks(Job& job) {
  auto plays = job.Read<Play>("plays");
  auto table = plays.Map<PlaysByTrack>().Reduce<Count>().AsTable();
  job.Read<Play>("others").Map<RowOfTrack>(table).Write<Tsv>("out");
}

// 13 bytes of key and value: in memory there is room for them, and none for a row; nor has the file
// slots in which to look for it.
TEST(SideInputTest, NumbersKeysWhoseRowsAreNotInMemory) {
  const auto track = [](int number) { return "t" + std::to_string(1000 + number); };
  std::string plays, others;
  for (int i = 0; i < 300; ++i) plays += "u\t" + track(2 * i) + "\n";
  std::vector<std::string> rows;
  for (int i = 0; i < 602; ++i) {
    others += "u\t" + track(i) + "\n";
    rows.push_back((i % 2 == 0 && i < 600 ? std::to_string(i / 2) : "9999") + "\t" + track(i));
  }
  const TestRun run = TestRun(NumberTracks).Input("plays", plays).Input("others", others);
  EXPECT_EQ(run.Run().Rows(), rows);
  EXPECT_DETERMINISTIC(run);
}

struct ByPlays {
  Table<Name, std::int64_t> plays;
  void Map(const Play& play, Emitter<Descending<std::int64_t>, Name>& emit) {
    emit({plays.Find(play.track).value_or(-1)}, play.track);
  }
};
struct Only {
  Table<Name, std::int64_t> plays;
  Table<Name, Name> countries;
  void Reduce(const Descending<std::int64_t>& count, Values<Name>& tracks,
              Emitter<std::int64_t, std::string>& emit) {
    std::string text;
    for (const Name track : tracks) {
      const std::uint64_t row = plays.RowOf(track).value_or(9999);
      text.append(track).append("#" + std::to_string(row) + "=").append(plays.Row(row).key);
      text.append(countries.Find(track).value_or("")).append(" ");
    }
    emit(count.value, text);
  }
};
struct TimesTen {
  Table<Name, std::int64_t> other;
  void Map(const KeyValue<Name, std::int64_t>& track, Emitter<Name, std::int64_t>& emit) {
    emit(track.key, 10 * other.Find(track.key).value_or(0) + track.value);
  }
};
struct UsersByTrack {
  void Map(const User& user, Emitter<Name, Unit>& emit) { emit(user.user); }
};

// What a stage made is looked up in by a Map of an input, by a Reduce, and by a Map within another
// stage's reduce.
void LookUpEverywhere(Job& job) {
  auto plays = job.Read<Play>("plays");
  auto users = job.Read<User>("users");
  auto by_track = plays.Map<PlaysByTrack>().Reduce<Count>();
  auto table = by_track.AsTable();
  auto countries = users.Map<CountryOfUser>().AsTable();
  plays.Map<ByPlays>(table).Reduce<Only>(table, countries).Write<Tsv>("by_plays");
  users.Map<UsersByTrack>().Reduce<Count>().Map<TimesTen>(table).Reduce<Sum>().Write<Tsv>(
      "times_ten");
  by_track.Write<Tsv>("counts");
}

TEST(SideInputTest, IsLookedUpByMapsReducesAndFusedMaps) {
  const TestRun run = TestRun(LookUpEverywhere)
                          .Input("plays", "u\tb\nu\ta\nu\tc\nu\tb\n")
                          .Input("users", "b\tSE\nx\tDE\n");
  const TestResult result = run.Run();
  ASSERT_TRUE(result.ok()) << result.status.message();
  EXPECT_THAT(result.Rows("by_plays"), ElementsAre("2\tb#1=bSE b#1=bSE ", "1\ta#0=a c#2=c "));
  EXPECT_THAT(result.Rows("times_ten"), ElementsAre("b\t21", "x\t1"));
  EXPECT_THAT(result.Rows("counts"), ElementsAre("a\t1", "b\t2", "c\t1"));
}

TEST(SideInputTest, CanNotBeToldFromHowItWasMade) {
  std::string plays, users;
  for (int i = 0; i < 900; ++i) {
    plays += "u" + std::to_string(i) + "\tt" + std::to_string(i * i % 211) + "\n";
    if (i % 3 == 0) users += "t" + std::to_string(i * 7 % 400) + "\tc" + std::to_string(i) + "\n";
  }
  EXPECT_DETERMINISTIC(TestRun(LookUpEverywhere)
                           .Shards("plays", {plays, "", plays})
                           .Shards("users", {users, users})
                           .MaxRejects(10000),
                       {.runs = 20});
}

struct ByUserAndTrack {
  void Map(const Play& play, Emitter<std::tuple<Name, Name>, Unit>& emit) {
    emit({play.user, play.track});
  }
};
struct KnownTracks {
  Table<Name, std::int64_t> plays;
  void Reduce(const Name& user, Values<KeyValue<std::tuple<Name, Name>, Unit>>& tracks,
              Emitter<Name, std::int64_t>& emit) {
    std::int64_t sum = 0;
    for (const auto& track : tracks) sum += plays.Find(std::get<1>(track.key)).value_or(0);
    emit(user, sum);
  }
};

TEST(SideInputTest, IsLookedUpByAReduceOfGroups) {
  const auto define = [](Job& job) {
    auto plays = job.Read<Play>("plays");
    auto table = plays.Map<PlaysByTrack>().Reduce<Count>().AsTable();
    plays.Map<ByUserAndTrack>().GroupBy<1>().Reduce<KnownTracks>(table).Write<Tsv>("out");
  };
  const TestRun run = TestRun(define).Input("plays", "u\ta\nv\tb\nu\tb\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("u\t3", "v\t2"));
  EXPECT_DETERMINISTIC(run);
}

TEST(SideInputTest, MayHaveNoRowsAndNoReaders) {
  const auto define = [](Job& job) {
    auto users = job.Read<User>("users");
    auto countries = users.Map<CountryOfUser>().AsTable();
    users.Map<UsersByTrack>().Reduce<Count>().AsTable();
    job.Read<Play>("plays").Map<WithCountry>(countries).Write<Tsv>("out");
  };
  const TestRun run = TestRun(define).Shards("users", {}).Input("plays", "u\ta\n");
  EXPECT_THAT(run.Run().Rows(), ElementsAre("?\ta"));
  EXPECT_DETERMINISTIC(run);
  EXPECT_THAT(TestRun(define).Input("users", "u\tSE\n").Input("plays", "").Run().Rows(), IsEmpty());
}

// Of a key's rows only one could be found.
TEST(SideInputTest, RefusesAReduceThatEmitsAKeyTwice) {
  struct EmitTwice {
    void Reduce(const Name& key, Values<Unit>&, Emitter<Name, std::int64_t>& emit) {
      emit(key, 1);
      if (key == "b") emit(key, 2);
    }
  };
  struct WithNumber {
    Table<Name, std::int64_t> numbers;
    void Map(const Play& play, Emitter<Name, Unit>& emit) { emit(play.track); }
  };
  const auto define = [](Job& job) {
    auto plays = job.Read<Play>("plays");
    auto table = plays.Map<PlaysByTrack>().Reduce<EmitTwice>().AsTable();
    plays.Map<WithNumber>(table).Write<Tsv>("out");
  };
  EXPECT_TRUE(TestRun(define).Input("plays", "u\ta\nu\tc\n").Run().ok());
  const TestResult result = TestRun(define).Input("plays", "u\ta\nu\tb\nu\tc\n").Run();
  EXPECT_EQ(result.status.code(), StatusCode::kUserCode);
  EXPECT_THAT(result.status.message(), AllOf(HasSubstr("stage-1, EmitTwice: "),
                                             HasSubstr("emit the group's own key, once")));
}

// The graph.

struct JustSo {
  Table<Name, std::int64_t> table;
  void Map(const KeyValue<Name, std::int64_t>& row, Emitter<Name, std::int64_t>& emit) {
    emit(row.key, row.value);
  }
};
struct JustPlay {
  Table<Name, std::int64_t> table;
  void Map(const Play& play, Emitter<Name, Unit>& emit) { emit(play.track); }
};

std::string Complaint(void (*define)(Job&)) {
  Job job({});
  define(job);
  const Status status = job.Finish();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

// The fused map would look up in a table that its own task is about to make.
TEST(SideInputTest, RefusesAFusedMapThatLooksUpInWhatFeedsIt) {
  const std::string complaint = Complaint([](Job& job) {
    auto counts = job.Read<Play>("plays").Map<PlaysByTrack>().Reduce<Count>();
    counts.Map<JustSo>(counts.AsTable()).Reduce<Sum>().Write<Tsv>("out");
  });
  EXPECT_THAT(complaint,
              HasSubstr("the table that PlaysByTrack or Count looks up in is made of the "
                        "same Reduce that feeds it, so it can't be there in time"));
  EXPECT_EQ(std::count(complaint.begin(), complaint.end(), '\n'), 0);
}

TEST(SideInputTest, RefusesAStageThatFeedsItself) {
  const std::string complaint = Complaint([](Job& job) {
    auto plays = job.Read<Play>("plays");
    auto mapped = plays.Map<PlaysByTrack>();
    auto table = mapped.Reduce<Count>().AsTable();
    mapped.And(plays.Map<JustPlay>(table));
    mapped.Write<Tsv>("out");
  });
  EXPECT_THAT(complaint, HasSubstr("looks up in is made of the same Reduce that feeds it"));
}

std::vector<std::string> StageMaps(void (*define)(Job&)) {
  Job job({});
  define(job);
  const Status status = job.Finish();
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<std::string> maps;
  for (const StageSpec& stage : job.graph().stages) {
    maps.push_back(stage.name + " " + stage.sources.front().map_name);
  }
  for (const TableSpec& table : job.graph().tables) {
    const int made_by = job.graph().stages[static_cast<std::size_t>(table.stage)].table;
    EXPECT_EQ(&job.graph().tables[static_cast<std::size_t>(made_by)], &table);
  }
  return maps;
}

TEST(SideInputTest, PutsAStageBehindTheTablesOfItsMapsAndItsReduce) {
  // A join whose second Map came last.
  EXPECT_THAT(StageMaps([](Job& job) {
                auto users = job.Read<User>("users").Map<UsersByTrack>();
                auto plays = job.Read<Play>("plays");
                auto table = plays.Map<PlaysByTrack>().Reduce<Count>().AsTable();
                users.And(plays.Map<JustPlay>(table)).Reduce<Count>().Write<Tsv>("out");
              }),
              ElementsAre("stage-1 PlaysByTrack", "stage-2 UsersByTrack"));
}

TEST(SideInputTest, PutsAStageBehindTheTablesOfTheMapsFusedWithIt) {
  EXPECT_THAT(StageMaps([](Job& job) {
                auto plays = job.Read<Play>("plays");
                auto counts = plays.Map<PlaysByTrack>().Reduce<Count>();
                auto table = job.Read<User>("users").Map<UsersByTrack>().Reduce<Count>().AsTable();
                counts.Map<JustSo>(table).Reduce<Sum>().Write<Tsv>("out");
              }),
              ElementsAre("stage-1 UsersByTrack", "stage-2 PlaysByTrack", "stage-3 JustSo"));
}

TEST(SideInputTest, IsOneTableHoweverOftenItIsAskedFor) {
  Job job({});
  auto plays = job.Read<Play>("plays");
  auto counts = plays.Map<PlaysByTrack>().Reduce<Count>();
  EXPECT_EQ(counts.AsTable().table, counts.AsTable().table);
  plays.Map<JustPlay>(counts.AsTable()).Reduce<Count>().Write<Tsv>("out");
  ASSERT_TRUE(job.Finish().ok());
  EXPECT_THAT(job.graph().tables, SizeIs(1));
}

}  // namespace
}  // namespace millrace
