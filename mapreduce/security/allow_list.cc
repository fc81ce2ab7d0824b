// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/allow_list.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mapreduce/security/key_file.h"

namespace millrace {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::array<std::pair<KeyRole, std::string_view>, 4> kRoles = {{
    {KeyRole::kWorker, "worker"},
    {KeyRole::kSubmitter, "submitter"},
    {KeyRole::kViewer, "viewer"},
    {KeyRole::kSigner, "signer"},
}};

std::string_view TakeWord(std::string_view& line) {
  constexpr std::string_view kSpaces = " \t\r";
  line.remove_prefix(std::min(line.find_first_not_of(kSpaces), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kSpaces));
  line.remove_prefix(word.size());
  return word;
}

Result<AllowedKey> ParseLine(std::string_view line, const std::string& place) {
  const std::string_view role_word = TakeWord(line);
  const std::string_view name = TakeWord(line);
  const std::string_view key_word = TakeWord(line);
  const std::optional<KeyRole> role = KeyRoleOf(role_word);
  if (!role.has_value()) {
    return Status::InvalidArgument(
        place, ": the first word is no role; write worker, submitter, viewer or signer");
  }
  if (!IsKeyName(name)) {
    return Status::InvalidArgument(place, ": the second word is no name: letters, digits, . _ -");
  }
  const std::optional<PublicKey> key = PublicKey::FromHex(key_word);
  if (!key.has_value()) {
    return Status::InvalidArgument(place, ": the third word is no key of 64 hex digits");
  }
  if (const std::string_view rest = TakeWord(line); !rest.empty() && rest.front() != '#') {
    return Status::InvalidArgument(place, ": something stands behind the key");
  }
  return AllowedKey{*role, std::string(name), *key};
}

}  // namespace

std::string_view KeyRoleName(KeyRole role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) return name;
  }
  return "";
}

std::optional<KeyRole> KeyRoleOf(std::string_view name) {
  for (const auto& [role, known] : kRoles) {
    if (known == name) return role;
  }
  return std::nullopt;
}

bool IsKeyName(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         name.front() != '-' && std::all_of(name.begin(), name.end(), fits);
}

Result<std::vector<AllowedKey>> ParseAllowList(std::string_view text, const std::string& path) {
  std::vector<AllowedKey> keys;
  std::map<PublicKey, std::size_t> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view looked_at = line;
    const std::string_view first = TakeWord(looked_at);
    if (first.empty() || first.front() == '#') continue;
    const std::string place = path + ":" + std::to_string(number);
    MR_ASSIGN_OR_RETURN(AllowedKey key, ParseLine(line, place));
    const auto [at, is_new] = lines.emplace(key.key, number);
    if (!is_new) {
      return Status::InvalidArgument(place, ": the key of line ", at->second,
                                     " again; a key has one role");
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<std::shared_ptr<AllowList>> AllowList::Open(const std::string& path) {
  std::shared_ptr<AllowList> list(new AllowList(path));
  MR_RETURN_IF_ERROR(list->Read(list->Look()));
  return list;
}

AllowList::FileId AllowList::Look() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size),
          info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
}

// Only what could be read counts as read: another error may be over the next time.
Status AllowList::Read(const FileId& file) {
  MR_ASSIGN_OR_RETURN(const std::string text, ReadKeyFile(path_, FileSecrecy::kPublic));
  const Result<std::vector<AllowedKey>> keys = ParseAllowList(text, path_);
  MutexLock lock(mutex_);
  file_ = file;
  MR_RETURN_IF_ERROR(keys.error());
  listed_.clear();
  for (const AllowedKey& key : *keys) listed_.emplace(key.key, key);
  ++version_;
  return Status::Ok();
}

Status AllowList::Refresh() {
  const FileId now = Look();
  {
    MutexLock lock(mutex_);
    const bool is_quiet = std::exchange(seen_, now) == now;
    if (now == file_ || !is_quiet) return Status::Ok();
  }
  const Status status = Read(now);
  MutexLock lock(mutex_);
  const std::string message = status.ok() ? "" : status.message();
  const bool is_told = std::exchange(told_, message) == message;
  return is_told ? Status::Ok() : status;
}

std::optional<AllowedKey> AllowList::Find(const PublicKey& key) const {
  MutexLock lock(mutex_);
  for (const auto* keys : {&listed_, &added_}) {
    const auto found = keys->find(key);
    if (found != keys->end() && found->second.role != KeyRole::kSigner) return found->second;
  }
  return std::nullopt;
}

std::vector<PublicKey> AllowList::Signers() const {
  std::vector<PublicKey> signers;
  MutexLock lock(mutex_);
  for (const auto& [key, allowed] : listed_) {
    if (allowed.role == KeyRole::kSigner) signers.push_back(key);
  }
  return signers;
}

std::size_t AllowList::key_count() const {
  MutexLock lock(mutex_);
  return listed_.size();
}

std::uint64_t AllowList::version() const {
  MutexLock lock(mutex_);
  return version_;
}

void AllowList::Add(const AllowedKey& key) {
  MutexLock lock(mutex_);
  added_.insert_or_assign(key.key, key);
}

void AllowList::Forget(const PublicKey& key) {
  MutexLock lock(mutex_);
  added_.erase(key);
}

}  // namespace millrace
