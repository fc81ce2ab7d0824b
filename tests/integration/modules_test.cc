// SPDX-License-Identifier: Apache-2.0
// Job modules that must be refused, are, before any of their code runs: a real module, whose
// constructor leaves a file, is damaged, changed, or not signed as it must be.
#include "mapreduce/engine/modules.h"

#include <elf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "mapreduce/api/registry.h"
#include "mapreduce/engine/module_note.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/security/module_signature.h"
#include "tests/integration/millrace_process.h"
#include "worker/module_images.h"
#include "worker/task_child.h"
#include "worker/task_orphans.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
T At(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}
template <class T>
void Put(std::string& bytes, std::size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// Where the program header of the notes of MR_JOB lies, and where these do.
struct NotePlace {
  std::size_t header = 0, notes = 0;
};
NotePlace FindNotes(const std::string& elf) {
  const auto header = At<Elf64_Ehdr>(elf, 0);
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    const auto segment = At<Elf64_Phdr>(elf, at);
    const std::size_t notes = elf.find("Millrace", segment.p_offset);
    if (segment.p_type == PT_NOTE && notes < segment.p_offset + segment.p_filesz)
      return {at, notes - offsetof(ModuleNote, name)};
  }
  ADD_FAILURE() << "no note";
  return {};
}

struct Damage {
  const char* what;
  const char* message;
  std::function<void(std::string&)> apply;
};

// Of all that is wrong with a file nothing is the loader's business.
std::vector<Damage> Damages() {
  const auto segment = [](std::string& elf, const std::function<void(Elf64_Phdr&)>& change) {
    const std::size_t at = FindNotes(elf).header;
    auto header = At<Elf64_Phdr>(elf, at);
    change(header);
    Put(elf, at, header);
  };
  const auto header = [](std::string& elf, const std::function<void(Elf64_Ehdr&)>& change) {
    auto whole = At<Elf64_Ehdr>(elf, 0);
    change(whole);
    Put(elf, 0, whole);
  };
  const auto note = [](std::string& elf, int index,
                       const std::function<void(ModuleNote&)>& change) {
    const std::size_t at =
        FindNotes(elf).notes + static_cast<std::size_t>(index) * sizeof(ModuleNote);
    auto whole = At<ModuleNote>(elf, at);
    change(whole);
    Put(elf, at, whole);
  };
  const char* const other = "was built with the headers of another version of Millrace";
  const char* const damaged = "it is cut off or damaged";
  return {
      {"empty", "it is no ELF file", [](std::string& elf) { elf.clear(); }},
      {"a text", "it is no ELF file", [](std::string& elf) { elf = "int main() {}\n"; }},
      {"the magic alone", damaged, [](std::string& elf) { elf.resize(SELFMAG); }},
      {"the header alone", damaged, [](std::string& elf) { elf.resize(sizeof(Elf64_Ehdr)); }},
      {"cut in the note", damaged,
       [](std::string& elf) { elf.resize(FindNotes(elf).notes + sizeof(ModuleNote) / 2); }},
      {"of 32 bits", "another kind of machine",
       [](std::string& elf) { elf[EI_CLASS] = ELFCLASS32; }},
      {"of another machine", "another kind of machine",
       [&](std::string& elf) { header(elf, [](auto& h) { h.e_machine = EM_S390; }); }},
      {"an object file", "it is no shared object",
       [&](std::string& elf) { header(elf, [](auto& h) { h.e_type = ET_REL; }); }},
      {"program headers of another size", damaged,
       [&](std::string& elf) { header(elf, [](auto& h) { h.e_phentsize = 1; }); }},
      {"program headers far away", damaged,
       [&](std::string& elf) { header(elf, [](auto& h) { h.e_phoff = UINT64_MAX - 8; }); }},
      {"more program headers", damaged,
       [&](std::string& elf) {
         header(elf, [&](auto& h) {
           h.e_phnum = 0xffff;
           h.e_phoff = elf.size() - 100 * sizeof(Elf64_Phdr);
         });
       }},
      {"no program headers", "registers no job",
       [&](std::string& elf) { header(elf, [](auto& h) { h.e_phnum = 0; }); }},
      {"a note segment of all bytes", damaged,
       [&](std::string& elf) { segment(elf, [](auto& s) { s.p_filesz = UINT64_MAX; }); }},
      {"a note segment far away", damaged,
       [&](std::string& elf) { segment(elf, [](auto& s) { s.p_offset = UINT64_MAX - 1; }); }},
      {"a note segment cut short", damaged,
       [&](std::string& elf) { segment(elf, [](auto& s) { s.p_filesz = 30; }); }},
      {"no note segment", "registers no job",
       [&](std::string& elf) { segment(elf, [](auto& s) { s.p_type = PT_NULL; }); }},
      {"a note of another owner", "registers no job",
       [&](std::string& elf) {
         for (const int i : {1, 0}) note(elf, i, [](auto& n) { n.name[0] = 'm'; });
       }},
      {"a note with a huge name", damaged,
       [&](std::string& elf) { note(elf, 0, [](auto& n) { n.name_bytes = UINT32_MAX; }); }},
      {"a note with huge contents", damaged,
       [&](std::string& elf) { note(elf, 0, [](auto& n) { n.content_bytes = UINT32_MAX; }); }},
      {"a note without contents", other,
       [&](std::string& elf) {
         segment(elf, [](auto& s) { s.p_filesz = 24; });
         note(elf, 0, [](auto& n) { n.content_bytes = 0; });
       }},
      {"of another version", other,
       [&](std::string& elf) { note(elf, 0, [](auto& n) { n.abi_version ^= 1; }); }},
      {"of which a part is of another version", other,
       [&](std::string& elf) { note(elf, 1, [](auto& n) { n.abi_version ^= 1; }); }},
      {"of a later kind of note", other,
       [&](std::string& elf) { note(elf, 0, [](auto& n) { ++n.format_version; }); }},
  };
}

class ModulesTest : public MillraceTest {
 protected:
  void SetUp() override {
    MillraceTest::SetUp();
    ASSERT_TRUE(AdoptOrphans().ok());
    setenv("MILLRACE_PROBE_FILE", Path("has-run").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("MILLRACE_PROBE_FILE");
    MillraceTest::TearDown();
  }
  std::string Path(const std::string& name) const { return (root_ / name).string(); }
  bool HasRun() { return fs::remove(root_ / "has-run"); }

  const std::string module_ = Slurp(MILLRACE_CONSTRUCTOR_PROBE);
};

TEST_F(ModulesTest, RunsItsCodeIfItIsSound) {
  Write("job.so", module_);
  const ProcessResult jobs = Run({"jobs", "--module", "job.so"});
  EXPECT_EQ(jobs.exit_code, 0) << jobs.err;
  EXPECT_THAT(jobs.out, HasSubstr("constructed_twice"));
  EXPECT_TRUE(HasRun());
  // The same bytes again are the same module.
  Write("again.so", module_);
  const ProcessResult twice = Run({"jobs", "--module", "job.so", "--module", "again.so"});
  EXPECT_EQ(twice.exit_code, 0) << twice.err;
}

TEST_F(ModulesTest, RefusesEachDamageBeforeAnyCodeRuns) {
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.what);
    std::string damaged = module_;
    damage.apply(damaged);
    Write("job.so", damaged);
    const ProcessResult jobs = Run({"jobs", "--module", "job.so"});
    EXPECT_EQ(jobs.exit_code, 64);
    EXPECT_THAT(jobs.err, HasSubstr(damage.message));
    EXPECT_THAT(jobs.err, HasSubstr("job.so"));
    EXPECT_FALSE(HasRun());
  }
}

TEST_F(ModulesTest, RefusesWhatIsNoFile) {
  fs::create_directory(root_ / "folder.so");
  ASSERT_EQ(mkfifo(Path("pipe.so").c_str(), 0600), 0);
  for (const char* const name : {"folder.so", "pipe.so", "missing.so"}) {
    const ProcessResult jobs = Run({"jobs", "--module", name});
    EXPECT_EQ(jobs.exit_code, 64) << name;
    EXPECT_THAT(jobs.err, HasSubstr(name));
  }
}

// Whatever is wrong: an answer, and no step outside the bytes (with sanitizers: seen).
TEST_F(ModulesTest, EveryByteOfHeadersAndNotesMayBeWrong) {
  ASSERT_TRUE(CheckModuleNote(module_, "job.so").ok());
  const NotePlace place = FindNotes(module_);
  const auto header = At<Elf64_Ehdr>(module_, 0);
  const std::size_t end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
  std::string bytes = module_.substr(0, place.notes + 2 * sizeof(ModuleNote));
  int refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at >= end && at < place.notes) continue;
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      refused += CheckModuleNote(damaged, "job.so").ok() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 3 * 16);  // At least each byte of both versions.
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(CheckModuleNote(bytes.substr(0, size), "job.so").ok()) << size;
}

TEST_F(ModulesTest, ImagesNeverChange) {
  Write("job.so", module_);
  const auto image = ModuleImage::Read(Path("job.so"));
  ASSERT_TRUE(image.ok());
  Write("job.so", "something else");
  EXPECT_EQ((*image)->bytes(), module_);
  EXPECT_EQ(::write((*image)->fd(), "x", 1), -1);
  EXPECT_EQ(::ftruncate((*image)->fd(), 0), -1);
  const std::string path = "/proc/self/fd/" + std::to_string((*image)->fd());
  EXPECT_THAT(fs::read_symlink(path).string(), HasSubstr("memfd:job.so"));
}

TEST_F(ModulesTest, MemoryThatIsNotSealedIsRefused) {
  for (const int seals : {0, F_SEAL_WRITE, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW}) {
    Descriptor memory(memfd_create("job.so", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(fcntl(memory.get(), F_ADD_SEALS, seals), 0);
    const auto image = ModuleImage::Adopt(std::move(memory), "job.so");
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.error().code(), StatusCode::kCorrupt);
  }
  EXPECT_FALSE(ModuleImage::Adopt(Descriptor(open("/dev/null", O_RDONLY)), "job.so").ok());
}

// ---- Of a worker --------------------------------------------------------------------------------

class SignedModulesTest : public ModulesTest {
 protected:
  void SetUp() override {
    ModulesTest::SetUp();
    fs::create_directories(root_ / "new");
    auto cache = ModuleCache::Open(Path("modules"), Path("new"));
    ASSERT_TRUE(cache.ok());
    cache_ = *std::move(cache);
  }

  // As it comes from a master, whole.
  ModuleFile Fetched(const std::string& bytes) {
    ModuleFile module{"job.so", HashOf128(bytes), bytes.size(), "", ""};
    auto file = cache_->Create(module.hash);
    EXPECT_TRUE(file.ok() && (*file)->Append(bytes).ok());
    EXPECT_TRUE(cache_->Finish(module.hash, *std::move(file)).ok());
    return module;
  }
  ModuleFile Signed(const std::string& bytes, const SigningKey& key,
                    std::uint64_t abi_version = kJobAbiVersion) {
    ModuleFile module = Fetched(bytes);
    Sign(module, SignModule(key, DigestModule(bytes), abi_version));
    return module;
  }
  static void Sign(ModuleFile& module, const ModuleSignature& signature) {
    module.signer.assign(signature.signer.bytes.begin(), signature.signer.bytes.end());
    module.signature.assign(signature.bytes.begin(), signature.bytes.end());
  }
  // Executes a map of the module's job in a real child, if the worker gives the module out.
  Status Use(ModuleImages& images, const ModuleFile& module) {
    auto image = images.Get(module);
    if (!image.ok()) return image.error();
    if (*image == nullptr) return Status::NotFound("not in the cache");
    return Execute(*image);
  }
  Status Execute(const std::shared_ptr<const ModuleImage>& image) {
    Write("lines.txt", "a\n");
    TaskAssignment map;
    map.attempt = {{{{1}, 0}, 0}, 1};
    map.job = "constructed";
    map.modules = {"job.so"};
    const Result<FileInfo> info = LocalFileSystem().Stat(Path("lines.txt"));
    map.pieces = {{0, {*info}, {0, info->bytes, 0, UINT64_MAX}}};
    map.stored_bytes = info->bytes;
    map.scratch_directory = Path("new");
    fs::remove(root_ / "run");
    map.runs = {{Path("run"), 7}};
    TaskChildOptions options;
    options.program = MILLRACE_BINARY;
    options.modules = {image};
    auto child = TaskChild::Start(map, options);
    if (!child.ok()) return child.error();
    pollfd end{(*child)->end_fd(), POLLIN, 0};
    EXPECT_EQ(poll(&end, 1, 60'000), 1);
    const auto ended = (*child)->Finish();
    if (std::holds_alternative<TaskSuccess>(ended)) return Status::Ok();
    const TaskFailure& failure = std::get<FailedTask>(ended).failure;
    return Status::Error(failure.code, failure.message);
  }
  void ExpectRefused(ModuleImages& images, const ModuleFile& module, const char* why) {
    SCOPED_TRACE(why);
    const Status status = Use(images, module);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("job.so"));
    EXPECT_THAT(status.message(), HasSubstr(why));
    EXPECT_FALSE(HasRun());
  }

  const SigningKey key_ = SigningKey::Make(), stranger_ = SigningKey::Make();
  std::unique_ptr<ModuleCache> cache_;
  std::vector<PublicKey> signers_ = {SigningKey::Make().public_key, key_.public_key};
};

TEST_F(SignedModulesTest, ExecutesWhatAListedOneHasSigned) {
  ModuleImages images(*cache_, [this] { return signers_; });
  const Status status = Use(images, Signed(module_, key_));
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(HasRun());
}

TEST_F(SignedModulesTest, NeedsNoSignatureWithoutKeys) {
  ModuleImages images(*cache_, nullptr);
  EXPECT_TRUE(Use(images, Fetched(module_)).ok());
  EXPECT_TRUE(HasRun());
  std::string other = module_;
  Put(other, FindNotes(other).notes + offsetof(ModuleNote, abi_version), kJobAbiVersion + 1);
  ExpectRefused(images, Fetched(other), "another version of Millrace");
}

TEST_F(SignedModulesTest, RefusesAllElseBeforeAnyCodeRuns) {
  ModuleImages images(*cache_, [this] { return signers_; });
  ExpectRefused(images, Fetched(module_), "is not signed");
  ExpectRefused(images, Signed(module_, stranger_), "add a line \"signer NAME");

  // Changed after it was signed, where no note and no header is.
  std::string changed = module_;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  ModuleFile module = Fetched(changed);
  Sign(module, SignModule(key_, DigestModule(module_), kJobAbiVersion));
  ExpectRefused(images, module, "was changed after it was signed");

  ExpectRefused(images, Signed(module_, key_, kJobAbiVersion + 1), "another version");
  module = Signed(module_, key_);
  module.signature[7] = static_cast<char>(module.signature[7] ^ 1);
  ExpectRefused(images, module, "was changed after it was signed");
  module.signature.clear();
  ExpectRefused(images, module, "was changed after it was signed");
  // A stranger's signature under a listed name.
  module = Signed(module_, stranger_);
  module.signer.assign(key_.public_key.bytes.begin(), key_.public_key.bytes.end());
  ExpectRefused(images, module, "was changed after it was signed");
  // The same bytes were fine before.
  ASSERT_TRUE(Use(images, Signed(module_, key_)).ok());
  ASSERT_TRUE(HasRun());
  ExpectRefused(images, Signed(module_, stranger_), "signed by");

  // Signed, and yet no module.
  for (const Damage& damage : Damages()) {
    std::string damaged = module_;
    damage.apply(damaged);
    ExpectRefused(images, Signed(damaged, key_), damage.message);
  }
}

TEST_F(SignedModulesTest, AKeyThatIsTakenBackCountsAtOnce) {
  ModuleImages images(*cache_, [this] { return signers_; });
  const ModuleFile module = Signed(module_, key_);
  ASSERT_TRUE(Use(images, module).ok());
  ASSERT_TRUE(HasRun());
  signers_.pop_back();
  ExpectRefused(images, module, "whom this worker does not know");
}

// Between check and load nobody can put another one in its place.
TEST_F(SignedModulesTest, WhatWasCheckedIsLoaded) {
  ModuleImages images(*cache_, [this] { return signers_; });
  const std::string harmless = Slurp(MILLRACE_CHILD_PROBES);
  const ModuleFile module = Signed(harmless, key_);
  const auto image = images.Get(module);
  ASSERT_TRUE(image.ok()) << image.error().message();
  const std::string path = Path("modules/" + module.hash.Hex() + ".so");
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << module_;
  const Status status = Execute(*image);
  EXPECT_THAT(status.message(), HasSubstr("constructed"));  // There is no such job.
  EXPECT_FALSE(HasRun());
  // In memory it is the old one still; a worker that starts now fetches it anew.
  EXPECT_NE(*images.Get(module), nullptr);
  ModuleImages later(*cache_, [this] { return signers_; });
  EXPECT_EQ(*later.Get(module), nullptr);
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(SignedModulesTest, KeepsFewInMemory) {
  ModuleImages images(*cache_, nullptr);
  std::vector<std::shared_ptr<const ModuleImage>> needed;
  for (int i = 0; i < 8; ++i) {
    const auto image = images.Get(Fetched(module_ + std::to_string(i)));
    ASSERT_TRUE(image.ok());
    if (i < 3) needed.push_back(*image);
  }
  // Those that tasks need, some that they might, and the one that was handed out last.
  EXPECT_EQ(images.count(), needed.size() + ModuleImages::kUnusedMax + 1);
  EXPECT_EQ(*images.Get(Fetched(module_ + "0")), needed[0]);
}

}  // namespace
}  // namespace millrace
