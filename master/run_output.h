// SPDX-License-Identifier: Apache-2.0
#ifndef MASTER_RUN_OUTPUT_H_
#define MASTER_RUN_OUTPUT_H_

// A run's output, from the first attempt to the published directory. OUT is what was asked for:
//
//   .OUT.run/marker                     made by PrepareOutput, says whose it is
//   .OUT.run/attempts/<attempt>/part-…  what attempts write, each into a folder of its own
//   .OUT.run/attempts/<attempt>/.table  a file of a table: other tasks look up in it, and it goes
//                                       with the folder
//   .OUT.run/attempts/<attempt>/.rejects  rejects that are too many for a report; likewise
//   .OUT.run/rejects                    _rejects.tsv, made of these and of the reports, by …
//   .OUT.run/sorted/…                   … sorting them where that is needed
//   .OUT.run/staged                     with --force: the inode of the next
//   .OUT.run/output/…                   committed parts, moved here by PublishOutput, then the rest
//   OUT                                 that folder, renamed
//   .OUT.run/replaced                   for a moment what was there before, where names can't be
//                                       exchanged
//
// Each function may be stopped anywhere, by a crash or an error, and called again: it finds what it
// did before. Two masters that do the same, an old one that does not know that it is, do the same
// twice. A worker makes its attempt's folder without parents, so one that wakes up late, when all
// is removed, can't leave anything. The names are those of engine/attempt_directory.h.

#include <cstdint>
#include <string>
#include <vector>

#include "mapreduce/base/status.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/proto/ids.h"

namespace millrace {

/// A committed part.
struct PublishedPart {
  AttemptId attempt;
  std::string path;  ///< Below the attempt's folder, and below the output.
  std::uint64_t bytes = 0;
};

/// A small file that is written into the output, or one that was made beside it.
struct PublishedFile {
  std::string path;
  std::string contents;
  std::string moved_from = {};  ///< Instead of contents: where it lies.
};

/// Who makes an output. A master has an id of its own, a run a name that is never used again.
struct OutputOwner {
  std::string master;
  std::string run;
};

/// Makes the hidden folder, durably, and the output's parents; what this run has there stays, what
/// an earlier run of this master left goes. kUnavailable: another master's run is at work.
Status PrepareOutput(FileSystem& files, const std::string& output, const OutputOwner& owner);

/// `last` is written behind all others (the manifest, _SUCCESS); there is at least one. When this
/// returns Ok, `output` is durable. Ok, too, if it is there already with the same bytes under
/// last[0]. With `replaces` anything else that is there makes way, by one exchange of names.
/// Errors: kCannotCreate if it may not; kCorrupt if a part is missing or not as large as it was;
/// else what the file system gives.
Status PublishOutput(FileSystem& files, const std::string& output,
                     const std::vector<PublishedPart>& parts,
                     const std::vector<PublishedFile>& last, bool replaces);

/// Removes what is left beside the output. Never touches the output, nor a folder that has
/// something in it and no marker of this master.
Status CleanOutput(FileSystem& files, const std::string& output, const std::string& master);

}  // namespace millrace

#endif  // MASTER_RUN_OUTPUT_H_
