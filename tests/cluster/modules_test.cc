// SPDX-License-Identifier: Apache-2.0
// Job modules and the sandbox on a cluster with keys: what is signed runs, what isn't never does,
// and no task gets at the keys.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/test_cluster.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ModulesTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    tasks_write_here_ = false;
    const ProcessResult result = Run({"keygen", "keys"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    key_flags_ = {"--keys", (root_ / "keys").string()};
    Write("lines.txt", "a\nb\na\n");
    fs::create_directory(root_ / "notes");
  }
  /// Their tasks leave a file as soon as any code of the module runs; clients don't.
  void StartTellingCluster() {
    environment_ = {"MILLRACE_PROBE_FILE=" + HasRun()};
    StartCluster(1, {"--allow-write", (root_ / "notes").string()});
    environment_.clear();
    AwaitWorkers(1);
  }
  std::string HasRun() const { return (root_ / "notes/has-run").string(); }

  const Words job_ = {"constructed", "--module", MILLRACE_CONSTRUCTOR_PROBE, "--input",
                      "lines.txt"};
  const Words run_ = Words{"run"} + job_ + Words{"--output", "out"};
};

TEST_F(ModulesTest, RunIfTheSubmitterHasSignedThem) {
  StartTellingCluster();
  ExpectLocalBytes(job_);
  EXPECT_TRUE(fs::exists(HasRun()));
  EXPECT_THAT(worker(0).err(), HasSubstr("tasks run with"));
}

TEST_F(ModulesTest, NeverRunIfNobodyHas) {
  StartTellingCluster();
  fs::remove(root_ / "keys/submitter/signing.key");
  const ProcessResult result = RunAtMaster(run_);
  EXPECT_EQ(result.exit_code, 64) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the job module constructor_probe.so is not signed"));
  EXPECT_FALSE(fs::exists(HasRun()));
  // A run of the command's own jobs needs no signature.
  EXPECT_EQ(RunAtMaster({"run", "wordcount", "--input", "lines.txt", "--output", "out"}).exit_code,
            0);
}

TEST_F(ModulesTest, NeverRunIfAStrangerHas) {
  StartTellingCluster();
  ASSERT_EQ(Run({"keygen", "others"}).exit_code, 0);
  fs::copy(root_ / "others/submitter/signing.key", root_ / "keys/submitter/signing.key",
           fs::copy_options::overwrite_existing);
  const ProcessResult result = RunAtMaster(run_);
  EXPECT_EQ(result.exit_code, 64) << result.err;
  EXPECT_THAT(result.err, HasSubstr("to its allowed.keys"));
  EXPECT_FALSE(fs::exists(HasRun()));
}

TEST_F(ModulesTest, TasksDontGetAtKeys) {
  StartCluster(1);
  AwaitWorkers(1);
  const std::string key = (root_ / "keys/worker/secret.key").string();
  const ProcessResult input =
      RunAtMaster({"run", "wordcount", "--input", key, "--output", "words"});
  EXPECT_NE(input.exit_code, 0);
  EXPECT_THAT(input.err, HasSubstr("Permission denied"));
  EXPECT_FALSE(fs::exists(root_ / "words"));

  Write("lines.txt", "try read key " + key + "\n");
  const ProcessResult code = RunAtMaster({"run", "mistreat", "--module", MILLRACE_CHILD_PROBES,
                                          "--input", "lines.txt", "--output", "out"});
  EXPECT_EQ(code.exit_code, 0) << code.err;
  EXPECT_THAT(Read("out/_manifest.json"), HasSubstr("read key: EACCES"));
}

}  // namespace
}  // namespace millrace
