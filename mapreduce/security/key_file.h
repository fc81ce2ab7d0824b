// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SECURITY_KEY_FILE_H_
#define MAPREDUCE_SECURITY_KEY_FILE_H_

// The small files of a folder of keys: text, where lines that begin with # are for people.

#include <sys/stat.h>

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/security/key.h"

namespace millrace {

inline constexpr std::size_t kKeyFileBytesMax = std::size_t{1} << 20;

enum class FileSecrecy {
  kPublic,  ///< Nobody else may write it.
  kSecret,  ///< Nobody else may read it. root may give one of its own files to a group.
};

/// All of a small regular file of this user's or of root's. kNotFound: it isn't there.
/// kInvalidArgument, with what to do, if others may do what they must not, or it can't be read.
Result<std::string> ReadKeyFile(const std::string& path, FileSecrecy secrecy,
                                struct stat* info = nullptr);

/// The one key in such a file. kNotFound and kInvalidArgument as above, or it isn't one key.
Result<SecretKey> ReadSecretKey(const std::string& path);
Result<PublicKey> ReadPublicKey(const std::string& path);

/// Makes a file that must not be there. kCannotCreate.
Status WriteKeyFile(const std::string& path, FileSecrecy secrecy, std::string_view text);

}  // namespace millrace

#endif  // MAPREDUCE_SECURITY_KEY_FILE_H_
