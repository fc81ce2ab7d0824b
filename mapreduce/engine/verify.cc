// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/verify.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "mapreduce/base/hash.h"
#include "mapreduce/engine/file_digest.h"
#include "mapreduce/engine/manifest_file.h"
#include "mapreduce/engine/output_layout.h"
#include "mapreduce/engine/parallel_for.h"
#include "mapreduce/engine/utf8.h"
#include "mapreduce/engine/working_directory.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

// One file to hash. `problem` and `note` are filled by whichever thread checks it.
struct Check {
  std::string name;  // For messages.
  std::string path;
  std::uint64_t bytes = 0;
  std::string xxh128;
  bool is_input = false;
  std::string problem, note;
};

// Whatever is wrong with the file, in words; an error only for cancellation.
Status CheckFile(FileSystem& files, const CancelToken& cancel, Check& check) {
  MR_RETURN_IF_ERROR(cancel.Check());
  std::error_code error;
  const auto status =
      check.is_input ? fs::status(check.path, error) : fs::symlink_status(check.path, error);
  if (status.type() == fs::file_type::not_found) {
    if (check.is_input) {
      check.note = check.name + " is gone";
    } else {
      check.problem = check.name + " is missing";
    }
    return {};
  }
  if (status.type() != fs::file_type::regular) {
    check.problem = check.name + " is not a regular file";
    return {};
  }
  const Result<FileInfo> info = files.Stat(check.path);
  if (info.ok() && info->bytes != check.bytes) {
    check.problem = check.name + (check.is_input ? " changed: it has " : " has ") +
                    std::to_string(info->bytes) + " bytes, the manifest says " +
                    std::to_string(check.bytes);
    return {};
  }
  const Result<Hash128> digest =
      check.is_input ? DigestFile(files, check.path, &cancel) : HashFile(files, check.path, cancel);
  if (!digest.ok()) {
    if (digest.error().code() == StatusCode::kCancelled) return digest.error();
    check.problem = check.name + " can't be read: " + digest.error().message();
  } else if (digest->Hex() != check.xxh128) {
    check.problem =
        check.name + (check.is_input ? " changed: its bytes differ from what was read"
                                     : " is damaged: its bytes differ from the manifest");
  }
  return {};
}

std::vector<Check> OutputChecks(const std::string& output, const proto::Manifest& manifest) {
  std::vector<Check> checks;
  const auto add = [&](const std::string& path, std::uint64_t bytes, const std::string& xxh128) {
    checks.push_back({.name = Printable(path),
                      .path = JoinPath(output, path),
                      .bytes = bytes,
                      .xxh128 = xxh128});
  };
  for (const proto::FileRecord& file : manifest.files()) {
    add(file.path(), file.bytes(), file.xxh128());
  }
  if (manifest.rejects().has_file()) {
    const proto::FileRecord& file = manifest.rejects().file();
    add(file.path(), file.bytes(), file.xxh128());
  }
  add(kSuccessName, 0, HashOf128("").Hex());
  return checks;
}

std::vector<Check> InputChecks(const proto::Plan& plan) {
  std::vector<Check> checks;
  for (const proto::PlanInput& input : plan.inputs()) {
    for (const proto::InputShard& shard : input.shards()) {
      checks.push_back({.name = "input " + input.name() + ": " + Printable(shard.path()),
                        .path = JoinPath(plan.directory(), shard.path()),
                        .bytes = shard.stored_bytes(),
                        .xxh128 = shard.xxh128(),
                        .is_input = true});
      if (plan.directory().empty()) checks.back().path = shard.path();
    }
  }
  return checks;
}

// Files below `output` that no check knows.
void FindUnlisted(const std::string& output, const std::vector<Check>& checks,
                  std::vector<std::string>& problems) {
  std::set<std::string> known = {kManifestName};
  for (const Check& check : checks) known.insert(fs::path(check.path).lexically_relative(output));
  std::vector<std::string> unlisted;
  std::error_code error;
  for (fs::recursive_directory_iterator at(output, error), end; !error && at != end;
       at.increment(error)) {
    if (at->symlink_status(error).type() == fs::file_type::directory) continue;
    const std::string path = at->path().lexically_relative(output).string();
    if (!known.contains(path)) unlisted.push_back(Printable(path) + " is not in the manifest");
  }
  if (error) problems.push_back("can't list the directory: " + error.message());
  std::sort(unlisted.begin(), unlisted.end());
  problems.insert(problems.end(), unlisted.begin(), unlisted.end());
}

}  // namespace

Result<VerifyReport> VerifyOutput(const std::string& output, int threads, CancelToken& cancel) {
  FileSystem& files = LocalFileSystem();
  const std::string directory = fs::path(AbsolutePath(output)).lexically_normal().string();
  MR_ASSIGN_OR_RETURN(const proto::Manifest manifest, ReadManifest(files, output));
  std::vector<Check> checks = OutputChecks(directory, manifest);
  VerifyReport report{.run = manifest.run()};
  FindUnlisted(directory, checks, report.problems);
  for (Check& check : InputChecks(manifest.plan())) checks.push_back(std::move(check));
  const auto check_one = [&](std::size_t i) { return CheckFile(files, cancel, checks[i]); };
  MR_RETURN_IF_ERROR(ParallelFor(checks.size(), threads, check_one));
  for (const Check& check : checks) {
    if (!check.problem.empty()) report.problems.push_back(check.problem);
    if (!check.note.empty()) report.notes.push_back(check.note);
    (check.is_input ? report.inputs_checked : report.files_checked) += check.note.empty() ? 1 : 0;
    report.bytes_checked += check.note.empty() ? check.bytes : 0;
  }
  return report;
}

}  // namespace millrace
