// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/code_identity.h"

#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "mapreduce/base/hash.h"
#include "mapreduce/io/file_system.h"
#include "mapreduce/io/shard_digest.h"

namespace millrace {
namespace {

struct LoadedObject {
  std::string path;
  std::string build_id;  // Hex; empty if there is none.
};

struct Search {
  std::uintptr_t address;
  bool is_first = true;  // dl_iterate_phdr begins with the executable.
  LoadedObject executable;
  std::optional<LoadedObject> module;
  bool is_in_executable = false;
};

std::string Hex(const unsigned char* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (std::size_t i = 0; i < count; ++i) {
    hex.push_back(kDigits[bytes[i] >> 4]);
    hex.push_back(kDigits[bytes[i] & 15]);
  }
  return hex;
}

// note := name_bytes:u32 content_bytes:u32 type:u32 name content, each padded to four bytes.
std::string FindBuildId(const unsigned char* notes, std::size_t bytes) {
  const auto padded = [](std::size_t n) { return (n + 3) & ~std::size_t{3}; };
  std::size_t at = 0;
  while (at + sizeof(ElfW(Nhdr)) <= bytes) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof(note));
    at += sizeof(note);
    const std::size_t name_bytes = padded(note.n_namesz);
    const std::size_t content_bytes = padded(note.n_descsz);
    if (name_bytes > bytes - at || content_bytes > bytes - at - name_bytes) break;
    const bool is_gnu = note.n_namesz == 4 && std::memcmp(notes + at, "GNU", 4) == 0;
    at += name_bytes;
    if (is_gnu && note.n_type == NT_GNU_BUILD_ID) return Hex(notes + at, note.n_descsz);
    at += content_bytes;
  }
  return "";
}

int Visit(dl_phdr_info* info, std::size_t, void* argument) {
  Search& search = *static_cast<Search*>(argument);
  const bool is_executable = search.is_first;
  search.is_first = false;
  bool holds_address = false;
  LoadedObject object{.path = is_executable ? "/proc/self/exe" : info->dlpi_name};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && search.address - begin < segment.p_memsz) holds_address = true;
    if (segment.p_type == PT_NOTE && object.build_id.empty()) {
      object.build_id = FindBuildId(reinterpret_cast<const unsigned char*>(begin), segment.p_memsz);
    }
  }
  if (is_executable) {
    search.executable = object;
    search.is_in_executable = holds_address;
  } else if (holds_address) {
    search.module = object;
  }
  return 0;
}

Result<std::string> IdentityOf(const LoadedObject& object) {
  if (!object.build_id.empty()) return object.build_id;
  const Result<Hash128> digest = DigestFile(LocalFileSystem(), object.path, nullptr);
  if (!digest.ok()) return digest.error().Annotate("cannot tell which code this is");
  return "file-" + digest->Hex();
}

}  // namespace

Result<std::string> CodeIdentity(const void* function) {
  Search search{.address = reinterpret_cast<std::uintptr_t>(function)};
  dl_iterate_phdr(&Visit, &search);
  MR_ASSIGN_OR_RETURN(std::string identity, IdentityOf(search.executable));
  if (search.is_in_executable) return identity;
  if (!search.module) return Status::Internal("the job's code lies in no loaded file");
  MR_ASSIGN_OR_RETURN(const std::string module, IdentityOf(*search.module));
  return identity + "+" + module;
}

Result<std::string> ProgramBuild() {
  Search search{.address = 0};
  dl_iterate_phdr(&Visit, &search);
  return IdentityOf(search.executable);
}

}  // namespace millrace
