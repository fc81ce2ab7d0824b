// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/security/key_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "mapreduce/security/key_file.h"
#include "mapreduce/security/module_signature.h"

namespace millrace {
namespace {

constexpr std::string_view kMasterFolder = "master", kWorkerFolder = "worker",
                           kSubmitterFolder = "submitter";

std::string Join(const std::string& directory, std::string_view name) {
  return directory + (directory.ends_with('/') ? "" : "/") + std::string(name);
}

bool Exists(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) == 0 ||
         (errno != ENOENT && errno != ENOTDIR);
}

// Others that add keys to the same folder wait.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path)
      : fd_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  const int fd_;
};

std::string_view FolderOf(KeyHolder holder) {
  switch (holder) {
    case KeyHolder::kMaster:
      return kMasterFolder;
    case KeyHolder::kWorker:
      return kWorkerFolder;
    case KeyHolder::kSubmitter:
      break;
  }
  return kSubmitterFolder;
}

std::string HexOf(const std::uint8_t* bytes) {
  char hex[2 * kKeyBytes + 1];
  std::string text = sodium_bin2hex(hex, sizeof hex, bytes, kKeyBytes);
  sodium_memzero(hex, sizeof hex);
  return text;
}

Status MakeFolder(const std::string& path) {
  // The mode whatever the umask is.
  if (::mkdir(path.c_str(), 0700) == 0 && ::chmod(path.c_str(), 0700) == 0) return Status::Ok();
  return Status::CannotCreate("cannot create ", path, ": ", std::strerror(errno));
}

Status WriteSecret(const std::string& path, const char* what, const std::uint8_t* key) {
  std::string hex = HexOf(key);
  std::string text;
  text.reserve(256);  // In one place, which is wiped.
  text.append("# ").append(what).append(". Whoever has it is taken for its owner.\n");
  text.append(hex).append("\n");
  sodium_memzero(hex.data(), hex.size());
  const Status status = WriteKeyFile(path, FileSecrecy::kSecret, text);
  sodium_memzero(text.data(), text.size());
  return status;
}

std::string LineOf(const AllowedKey& key) {
  std::string role(KeyRoleName(key.role));
  role.resize(10, ' ');
  return role + key.name + std::string(key.name.size() < 12 ? 12 - key.name.size() : 1, ' ') +
         key.key.Hex() + "\n";
}

std::string TextOf(const std::vector<AllowedKey>& keys, const char* what) {
  std::string text = std::string("# ") + what + "\n# Read again within a second of a change;" +
                     " without its line a key is refused.\n";
  for (const AllowedKey& key : keys) text += LineOf(key);
  return text;
}

// What of the master's list a worker must know.
bool IsForWorkers(const AllowedKey& key) {
  return key.role == KeyRole::kWorker || key.role == KeyRole::kSigner;
}

// Makes the folder of one who connects to the master; returns the lines that others need.
Result<std::vector<AllowedKey>> MakeHolder(const std::string& path, KeyRole role,
                                           const std::string& name, const PublicKey& master) {
  MR_RETURN_IF_ERROR(MakeFolder(path));
  const KeyPair own = KeyPair::Make();
  MR_RETURN_IF_ERROR(
      WriteSecret(Join(path, kSecretKeyFile), "A secret key of Millrace", own.secret_key.data()));
  MR_RETURN_IF_ERROR(WriteKeyFile(Join(path, kMasterKeyFile), FileSecrecy::kPublic,
                                  "# The master's public key.\n" + master.Hex() + "\n"));
  std::vector<AllowedKey> keys = {{role, name, own.public_key}};
  if (role != KeyRole::kSubmitter) return keys;
  const SigningKey signing = SigningKey::Make();
  MR_RETURN_IF_ERROR(WriteSecret(Join(path, kSigningKeyFile), "A key that signs job modules",
                                 signing.seed.data()));
  keys.push_back({KeyRole::kSigner, name, signing.public_key});
  return keys;
}

// A list with more lines, whole at any time: it may be in use.
Status AppendToList(const std::string& path, const std::vector<AllowedKey>& keys) {
  MR_ASSIGN_OR_RETURN(std::string text, ReadKeyFile(path, FileSecrecy::kPublic));
  if (!text.empty() && text.back() != '\n') text += '\n';
  for (const AllowedKey& key : keys) text += LineOf(key);
  MR_RETURN_IF_ERROR(ParseAllowList(text, path).error());
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  MR_RETURN_IF_ERROR(WriteKeyFile(temporary, FileSecrecy::kPublic, text));
  if (::rename(temporary.c_str(), path.c_str()) == 0) return Status::Ok();
  return Status::CannotCreate("cannot replace ", path, ": ", std::strerror(errno));
}

// Folders in `directory` that have an allow list, but the master's; sorted.
Result<std::vector<std::string>> WorkerFolders(const std::string& directory) {
  DIR* const open_directory = ::opendir(directory.c_str());
  if (open_directory == nullptr) {
    return Status::InvalidArgument("cannot read ", directory, ": ", std::strerror(errno));
  }
  std::vector<std::string> folders;
  while (const dirent* entry = ::readdir(open_directory)) {
    const std::string_view name = entry->d_name;
    if (name == kMasterFolder || !IsKeyName(name)) continue;
    std::string folder = Join(directory, name);
    if (Exists(Join(folder, kAllowedKeysFile))) folders.push_back(std::move(folder));
  }
  ::closedir(open_directory);
  std::sort(folders.begin(), folders.end());
  return folders;
}

constexpr char kMasterListIs[] = "Who may connect to the master, and as what.";
constexpr char kWorkerListIs[] =
    "Which workers may fetch from this one, and whose job modules it executes.";

}  // namespace

Result<KeyFolder> ReadKeyFolder(const std::string& directory, KeyHolder holder) {
  KeyFolder folder;
  folder.path = directory;
  if (!Exists(Join(directory, kSecretKeyFile))) {
    folder.path = Join(directory, FolderOf(holder));
    if (!Exists(Join(folder.path, kSecretKeyFile))) {
      return Status::InvalidArgument("--keys ", directory, ": neither it nor its folder ",
                                     FolderOf(holder), " has a ", kSecretKeyFile,
                                     "; `millrace keygen DIR` makes the keys of a cluster");
    }
  }
  const auto read = [&]() -> Status {
    MR_ASSIGN_OR_RETURN(const SecretKey secret, ReadSecretKey(Join(folder.path, kSecretKeyFile)));
    folder.own = KeyPair::Of(secret);
    folder.master = folder.own.public_key;
    if (holder == KeyHolder::kMaster && Exists(Join(folder.path, kMasterKeyFile))) {
      return Status::InvalidArgument(folder.path, " has a ", kMasterKeyFile,
                                     ": it is the folder of a worker or a submitter");
    }
    if (holder != KeyHolder::kMaster) {
      MR_ASSIGN_OR_RETURN(folder.master, ReadPublicKey(Join(folder.path, kMasterKeyFile)));
    }
    if (holder != KeyHolder::kSubmitter) {
      MR_ASSIGN_OR_RETURN(folder.allowed, AllowList::Open(Join(folder.path, kAllowedKeysFile)));
    }
    return Status::Ok();
  };
  if (const Status status = read(); !status.ok()) {
    // A part of a folder of keys that isn't there is no missing input, but a wrong command.
    return Status::InvalidArgument("--keys: ", status.message());
  }
  const std::string signing = Join(folder.path, kSigningKeyFile);
  if (holder == KeyHolder::kSubmitter && Exists(signing)) folder.signing_key_path = signing;
  return folder;
}

Status MakeKeys(const std::string& directory) {
  for (const std::string_view folder : {kMasterFolder, kWorkerFolder, kSubmitterFolder}) {
    const std::string path = Join(directory, folder);
    if (!Exists(path)) continue;
    return Status::CannotCreate(path, " is there already: keys are never overwritten; remove it, ",
                                "or add a key with --add worker=NAME");
  }
  if (!Exists(directory)) MR_RETURN_IF_ERROR(MakeFolder(directory));
  const std::string master = Join(directory, kMasterFolder);
  MR_RETURN_IF_ERROR(MakeFolder(master));
  const KeyPair own = KeyPair::Make();
  MR_RETURN_IF_ERROR(
      WriteSecret(Join(master, kSecretKeyFile), "A secret key of Millrace", own.secret_key.data()));
  std::vector<AllowedKey> all;
  for (const auto& [folder, role] : {std::pair{kWorkerFolder, KeyRole::kWorker},
                                     std::pair{kSubmitterFolder, KeyRole::kSubmitter}}) {
    MR_ASSIGN_OR_RETURN(
        const std::vector<AllowedKey> keys,
        MakeHolder(Join(directory, folder), role, std::string(folder), own.public_key));
    all.insert(all.end(), keys.begin(), keys.end());
  }
  std::vector<AllowedKey> of_workers;
  std::copy_if(all.begin(), all.end(), std::back_inserter(of_workers), IsForWorkers);
  MR_RETURN_IF_ERROR(WriteKeyFile(Join(Join(directory, kWorkerFolder), kAllowedKeysFile),
                                  FileSecrecy::kPublic, TextOf(of_workers, kWorkerListIs)));
  return WriteKeyFile(Join(master, kAllowedKeysFile), FileSecrecy::kPublic,
                      TextOf(all, kMasterListIs));
}

Result<std::vector<std::string>> AddKeys(const std::string& directory, KeyRole role,
                                         const std::string& name) {
  if (role == KeyRole::kSigner) {
    return Status::InvalidArgument("a submitter signs its own modules: --add submitter=NAME");
  }
  if (!IsKeyName(name)) {
    return Status::InvalidArgument("a key's name begins with a letter, a digit or '_' and has at ",
                                   "most 64 letters, digits, '.', '_', '-'");
  }
  const FolderLock lock(directory);
  const std::string master = Join(directory, kMasterFolder);
  const Result<SecretKey> master_secret = ReadSecretKey(Join(master, kSecretKeyFile));
  if (!master_secret.ok()) {
    return Status::InvalidArgument(master_secret.error().message(),
                                   "; keys are added to the folder that `millrace keygen` made");
  }
  const std::string master_list = Join(master, kAllowedKeysFile);
  MR_ASSIGN_OR_RETURN(const std::string text, ReadKeyFile(master_list, FileSecrecy::kPublic));
  MR_ASSIGN_OR_RETURN(const std::vector<AllowedKey> known, ParseAllowList(text, master_list));
  if (std::any_of(known.begin(), known.end(),
                  [&](const AllowedKey& key) { return key.name == name; })) {
    return Status::CannotCreate(master_list, " has the name ", name, " already");
  }
  MR_ASSIGN_OR_RETURN(const std::vector<std::string> workers, WorkerFolders(directory));
  const std::string path = Join(directory, name);
  MR_ASSIGN_OR_RETURN(const std::vector<AllowedKey> added,
                      MakeHolder(path, role, name, KeyPair::Of(*master_secret).public_key));
  std::vector<AllowedKey> of_workers;
  std::copy_if(added.begin(), added.end(), std::back_inserter(of_workers), IsForWorkers);
  if (role == KeyRole::kWorker) {
    std::vector<AllowedKey> all = of_workers;
    std::copy_if(known.begin(), known.end(), std::back_inserter(all), IsForWorkers);
    MR_RETURN_IF_ERROR(WriteKeyFile(Join(path, kAllowedKeysFile), FileSecrecy::kPublic,
                                    TextOf(all, kWorkerListIs)));
  }
  std::vector<std::string> changed;
  if (!of_workers.empty()) {
    for (const std::string& worker : workers) {
      MR_RETURN_IF_ERROR(AppendToList(Join(worker, kAllowedKeysFile), of_workers));
      changed.push_back(Join(worker, kAllowedKeysFile));
    }
  }
  MR_RETURN_IF_ERROR(AppendToList(master_list, added));
  changed.push_back(master_list);
  return changed;
}

}  // namespace millrace
