// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SECURITY_KEY_FOLDER_H_
#define MAPREDUCE_SECURITY_KEY_FOLDER_H_

// The keys of a cluster, as `millrace keygen DIR` makes them: a folder for each of those who hold
// keys, with all that it needs and nothing else.
//
//   DIR/master/     secret.key              allowed.keys
//   DIR/worker/     secret.key  master.key  allowed.keys
//   DIR/submitter/  secret.key  master.key  signing.key
//
//   secret.key    its own key                  (secret)
//   signing.key   signs job modules            (secret; module_signature.h)
//   master.key    the master's public key: who a worker or client expects to find
//   allowed.keys  whom it takes (allow_list.h). Of the master, who may connect: it lists all.
//                 Of a worker, which workers may fetch from it, and whose job modules it executes.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/security/allow_list.h"
#include "mapreduce/security/key.h"

namespace millrace {

inline constexpr std::string_view kSecretKeyFile = "secret.key", kMasterKeyFile = "master.key",
                                  kAllowedKeysFile = "allowed.keys",
                                  kSigningKeyFile = "signing.key";

/// Who reads a folder: its name within the folder that keygen made.
enum class KeyHolder { kMaster, kWorker, kSubmitter };

struct KeyFolder {
  std::string path;  ///< The folder that was read.
  KeyPair own;
  PublicKey master;                    ///< The own one, where the master holds it.
  std::shared_ptr<AllowList> allowed;  ///< Null for a submitter, who listens nowhere.
  std::string signing_key_path;        ///< "" where there is no such file.
};

/// Of `--keys`: `directory` itself if it has a secret.key, else the holder's folder in it.
/// kInvalidArgument, with what to do: a file is missing, wrong, or others may read or write it.
Result<KeyFolder> ReadKeyFolder(const std::string& directory, KeyHolder holder);

/// Makes the three folders above, and `directory` if it is missing. kCannotCreate: one is there
/// already, or can't be made.
Status MakeKeys(const std::string& directory);

/// One more worker, submitter or viewer: makes `directory`/`name`, and adds what others must know
/// to the allow lists in `directory`. Returns the lists that have changed. kInvalidArgument: not a
/// folder of MakeKeys(), no such role, or not a name. kCannotCreate: the name is taken.
Result<std::vector<std::string>> AddKeys(const std::string& directory, KeyRole role,
                                         const std::string& name);

}  // namespace millrace

#endif  // MAPREDUCE_SECURITY_KEY_FOLDER_H_
