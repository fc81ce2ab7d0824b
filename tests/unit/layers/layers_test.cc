// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/layers/layer_rules.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kLicense[] = "// SPDX-License-Identifier: Apache-2.0\n";

// A small tree of its own, removed at the end.
class Tree {
 public:
  Tree() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-layers-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~Tree() { std::filesystem::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void WriteHeader(const std::string& path, const std::string& guard) {
    Write(path, kLicense + ("#ifndef " + guard + "\n#define " + guard + "\n#endif\n"));
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

TEST(LayersTest, HoldInThisTree) {
  int files_checked = 0;
  EXPECT_THAT(CheckTree(MILLRACE_SOURCE_DIR, &files_checked), IsEmpty());
  EXPECT_GT(files_checked, 50);
}

TEST(LayersTest, AreClosedOverTheOrder) {
  EXPECT_THAT(AllowedLayers().at("base"), ElementsAre("base"));
  EXPECT_THAT(AllowedLayers().at("formats"), ElementsAre("base", "formats", "io", "proto"));
  EXPECT_FALSE(AllowedLayers().at("api").contains("engine"));
  EXPECT_FALSE(AllowedLayers().at("master").contains("worker"));
  EXPECT_TRUE(AllowedLayers().at("cli").contains("base"));
  EXPECT_THAT(AllowedLayers().at("transport"),
              ElementsAre("base", "proto", "security", "transport"));
  EXPECT_TRUE(AllowedLayers().at("worker").contains("transport"));
  EXPECT_FALSE(AllowedLayers().at("engine").contains("transport"));
}

TEST(LayersTest, LetALayerIncludeWhatComesBefore) {
  Tree tree;
  tree.WriteHeader("mapreduce/base/hash.h", "MAPREDUCE_BASE_HASH_H_");
  tree.Write("mapreduce/shuffle/a.cc",
             std::string(kLicense) + "#include <zstd.h>\n#include \"mapreduce/base/hash.h\"\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr), IsEmpty());
}

// The checker sees: each of these trees is wrong in one way.
TEST(LayersTest, FindAnIncludeAgainstTheOrder) {
  Tree tree;
  tree.WriteHeader("mapreduce/engine/run.h", "MAPREDUCE_ENGINE_RUN_H_");
  tree.Write("mapreduce/api/a.cc",
             std::string(kLicense) + "\n #  include \"mapreduce/engine/run.h\"\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("mapreduce/api/a.cc:3: includes \"mapreduce/engine/run.h\": "
                                    "this folder must not know engine")));
}

TEST(LayersTest, FindAJobThatNeedsMoreThanThePublicHeaders) {
  Tree tree;
  tree.WriteHeader("mapreduce/shuffle/merger.h", "MAPREDUCE_SHUFFLE_MERGER_H_");
  tree.Write("jobs/a.cc", std::string(kLicense) + "#include \"mapreduce/shuffle/merger.h\"\n");
  tree.Write("tests/unit/jobs/a_test.cc",
             std::string(kLicense) + "#include \"mapreduce/shuffle/merger.h\"\n");
  tree.Write("tests/faults/a_test.cc",
             std::string(kLicense) + "#include \"mapreduce/shuffle/merger.h\"\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("jobs/a.cc:2"), HasSubstr("tests/unit/jobs/a_test.cc:2")));
}

TEST(LayersTest, FindAnIncludeWithoutItsLayer) {
  Tree tree;
  tree.WriteHeader("mapreduce/base/hash.h", "MAPREDUCE_BASE_HASH_H_");
  tree.Write("mapreduce/base/hash.cc", std::string(kLicense) + "#include \"hash.h\"\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("hash.cc:2: includes \"hash.h\", which is no path")));
}

TEST(LayersTest, FindMessagesOutsideTheShells) {
  Tree tree;
  tree.Write("mapreduce/engine/a.cc",
             std::string(kLicense) + "#include \"mapreduce/proto/plan.pb.h\"\n");
  tree.Write("mapreduce/shuffle/a.cc",
             std::string(kLicense) + "#include \"mapreduce/proto/plan.pb.h\"\n");
  tree.Write("mapreduce/proto/a.cc",
             std::string(kLicense) + "#include \"mapreduce/proto/plan.pb.h\"\n");
  tree.Write("mapreduce/proto/a.h", std::string(kLicense) +
                                        "#ifndef MAPREDUCE_PROTO_A_H_\n"
                                        "#include \"mapreduce/proto/plan.pb.h\"\n#endif\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr), ElementsAre(HasSubstr("mapreduce/proto/a.h:3"),
                                                           HasSubstr("mapreduce/shuffle/a.cc:2")));
}

TEST(LayersTest, FindForeignTypesInPublicHeaders) {
  Tree tree;
  tree.Write("mapreduce/api/a.h", std::string(kLicense) + "#ifndef MAPREDUCE_API_A_H_\n" +
                                      "#include <google/protobuf/message.h>\n#endif\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr), ElementsAre(HasSubstr("a.h:3: a public header")));
}

TEST(LayersTest, FindSocketsOutsideTransport) {
  Tree tree;
  const std::string text = std::string(kLicense) + "#include <zmq.hpp>\n";
  tree.Write("master/a.cc", text);
  tree.Write("mapreduce/transport/a.cc", text);
  tree.Write("tests/integration/a.cc", text);
  tree.Write("mapreduce/transport/a.h",
             std::string(kLicense) + "#ifndef MAPREDUCE_TRANSPORT_A_H_\n#include <zmq.h>\n");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("mapreduce/transport/a.h:3: includes <zmq.h>"),
                          HasSubstr("master/a.cc:2: includes <zmq.hpp>")));
}

TEST(LayersTest, FindAMissingLicenseLine) {
  Tree tree;
  tree.Write("mapreduce/base/a.cc", "int a = 0;\n");
  tree.Write("scripts/setup", "#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\n");
  tree.Write("scripts/build", "#!/bin/bash\n");
  tree.Write("cmake/a.cmake", "");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("cmake/a.cmake:1"), HasSubstr("mapreduce/base/a.cc:1"),
                          HasSubstr("scripts/build:2")));
}

TEST(LayersTest, FindAWrongHeaderGuard) {
  Tree tree;
  tree.WriteHeader("mapreduce/base/hash.h", "HASH_H");
  EXPECT_THAT(CheckTree(tree.root(), nullptr),
              ElementsAre(HasSubstr("#ifndef MAPREDUCE_BASE_HASH_H_")));
}

}  // namespace
}  // namespace millrace
