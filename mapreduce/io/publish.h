// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_IO_PUBLISH_H_
#define MAPREDUCE_IO_PUBLISH_H_

// All or nothing: a directory appears whole under its name, or not at all.
//
//   sync everything below `staged`            failpoint publish.sync
//   rename without replacing, or              publish.rename
//     exchange `staged` and `target`, or      publish.exchange
//     target -> `retired`, staged -> target   publish.rename   (a file system that can't exchange)
//   sync the parent directory                 publish.sync_parent
//   remove the old tree                       publish.remove_old
//
// A crash at any moment leaves the old or the new state under `target`, except between the two
// renames of the last form: then there is none, and RecoverPublish brings the old one back.

#include <string>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"

namespace millrace {

/// Publishes the directory `staged` as `target`; both, and `retired`, lie on one file system.
/// `retired` is a name of the caller's own, beside `target`, outside any WorkDirectory (which would
/// clear it). Without `replace` an existing target is kCannotCreate. After an error `target` is
/// still what it was, or, if the message says "published", already the new one. With `replace` the
/// old tree may be left under `staged`.
Status PublishDirectory(FileSystem& files, const std::string& staged, const std::string& target,
                        bool replace, const std::string& retired);

/// Ends what a crash interrupted: call it before looking at `target`. A retired directory becomes
/// the target again if there is none, and is removed if there is one.
Status RecoverPublish(FileSystem& files, const std::string& target, const std::string& retired);

}  // namespace millrace

#endif  // MAPREDUCE_IO_PUBLISH_H_
