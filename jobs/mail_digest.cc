// SPDX-License-Identifier: Apache-2.0
// One mail per user with their recommendations, as a line of JSON. Three inputs are joined by user
// in the shuffle; whoever is suppressed gets none. The key tells a mailer what it has sent.
#include <string>
#include <vector>

#include "mapreduce/api/job.h"
#include "mapreduce/api/json_lines.h"
#include "mapreduce/api/registry.h"

using namespace millrace;  // NOLINT: a job speaks little else.
namespace {
using Name = std::string_view;
constexpr TsvLayout kRecommendations{"user", "rank", "track", "score"};
constexpr TsvLayout kAddresses{"user", "address"};
constexpr TsvLayout kSuppressed{"user"};

struct Recommendation {
  Name user;
  std::int64_t rank = 0;
  Name track;
  MR_FIELDS(Recommendation, user, rank, track)
};
struct UserAddress {
  Name user, address;
  MR_FIELDS(UserAddress, user, address)
};
struct User {
  Name user;
  MR_FIELDS(User, user)
};

// Of one user first the suppression, then addresses as they were read, then tracks by rank.
enum Kind : std::uint8_t { kIsSuppressed, kAddress, kTrack };
using UserRow = std::tuple<Name, std::uint8_t, std::int64_t, Name>;  // User, kind, rank, track.

struct Suppress {
  void Map(const User& row, Emitter<UserRow, Name>& emit) {
    emit({row.user, kIsSuppressed, 0, ""}, "");
  }
};
struct Address {
  void Map(const UserAddress& row, Emitter<UserRow, Name>& emit, Context& context) {
    if (!IsWellFormedUtf8(row.address)) return context.Reject("address is not UTF-8, as JSON is");
    emit({row.user, kAddress, 0, ""}, row.address);
  }
};
struct Track {
  void Map(const Recommendation& row, Emitter<UserRow, Name>& emit, Context& context) {
    if (!IsWellFormedUtf8(row.user) || !IsWellFormedUtf8(row.track))
      return context.Reject("user or track is not UTF-8, as JSON is");
    emit({row.user, kTrack, row.rank, row.track}, "");
  }
};

struct Mail {
  std::string template_, address;
  std::vector<std::string> tracks;
  std::string key;
  MR_FIELDS(Mail, template_, address, tracks, key)
};

struct Compose {
  std::string template_name, campaign;
  std::size_t k;
  void Reduce(const Name& user, Values<KeyValue<UserRow, Name>>& rows, Emitter<Name, Mail>& emit,
              Context& context) {
    Mail mail{template_name, "", {}, std::string(user) + "/" + campaign + "/" + context.date()};
    for (const auto& [key, address] : rows) {
      switch (std::get<1>(key)) {
        case kIsSuppressed:
          return context.Count("suppressed");
        case kAddress:
          if (mail.address.empty()) mail.address = address;
          break;
        default:
          if (k == 0 || mail.tracks.size() < k) mail.tracks.emplace_back(std::get<3>(key));
      }
    }
    if (mail.address.empty()) return context.Count("without_address");
    if (mail.tracks.empty()) return context.Count("without_tracks");
    emit(user, mail);
  }
};

void MailDigest(Job& job) {
  const auto k = job.Param<std::size_t>("k", 5, "tracks in a mail; 0: all");
  const auto campaign = job.Param<std::string>("campaign", "digest", "part of each mail's key");
  const auto name = job.Param<std::string>("template", "digest", "what the mailer fills in");
  if (campaign.empty()) job.Fail("campaign must not be empty: mails of two would have one key");
  if (campaign.find('/') != std::string::npos)
    job.Fail("campaign must not hold a '/': a key could then be that of two mails");
  job.NeedDate();
  job.Read<Recommendation>("recommendations", kRecommendations)
      .Map<Track>()
      .And(job.Read<UserAddress>("addresses", kAddresses).Map<Address>())
      .And(job.Read<User>("suppressed", kSuppressed).Map<Suppress>())
      .GroupBy<1>()
      .Reduce<Compose>(name, campaign, k)
      .Write<JsonLines>("mail_digest");
}
MR_JOB(mail_digest, MailDigest, "one mail per user with recommendations, none for the suppressed")
}  // namespace
