// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/engine/module_note.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "mapreduce/api/registry.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "say which e_machine this is"
#endif

/// A T at an offset, if there is all of one. Files may have them at odd addresses.
template <class T>
std::optional<T> ReadAt(std::string_view bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

Status Unloadable(std::string_view name, std::string_view why) {
  return Status::InvalidArgument("cannot load the module ", Printable(name), ": ", why,
                                 "; build it with millrace_add_job()");
}

Status OtherVersion(std::string_view name) {
  return Status::InvalidArgument("the module ", Printable(name),
                                 " was built with the headers of another version of Millrace; "
                                 "rebuild it with those installed with this command");
}

/// See CheckModuleNote.
class NoteCheck {
 public:
  NoteCheck(std::string_view elf, std::string_view name) : elf_(elf), name_(name) {}

  Status Check() {
    const std::optional<Elf64_Ehdr> header = ReadAt<Elf64_Ehdr>(elf_, 0);
    if (!elf_.starts_with(std::string_view(ELFMAG, SELFMAG)))
      return Unloadable(name_, "it is no ELF file");
    if (!header) return Damaged();
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != kMachine)
      return Unloadable(name_, "it is for another kind of machine");
    if (header->e_type != ET_DYN) return Unloadable(name_, "it is no shared object");
    if (header->e_phentsize != sizeof(Elf64_Phdr)) return Damaged();
    for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
      if (header->e_phoff > elf_.size()) return Damaged();
      const auto segment = ReadAt<Elf64_Phdr>(elf_, header->e_phoff + i * sizeof(Elf64_Phdr));
      if (!segment) return Damaged();
      if (segment->p_type == PT_NOTE) MR_RETURN_IF_ERROR(CheckSegment(*segment));
    }
    if (has_note_) return Status::Ok();
    return Status::InvalidArgument("the module ", Printable(name_),
                                   " registers no job; it needs an MR_JOB line, and the headers "
                                   "installed with this command");
  }

 private:
  Status Damaged() const { return Unloadable(name_, "it is cut off or damaged"); }

  Status CheckSegment(const Elf64_Phdr& segment) {
    if (segment.p_offset > elf_.size() || segment.p_filesz > elf_.size() - segment.p_offset)
      return Damaged();
    std::string_view notes = elf_.substr(segment.p_offset, segment.p_filesz);
    const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
    const auto padded = [align](std::uint64_t bytes) {
      return (bytes + align - 1) / align * align;
    };
    while (!notes.empty()) {
      const std::optional<Elf64_Nhdr> note = ReadAt<Elf64_Nhdr>(notes, 0);
      if (!note) return Damaged();
      const std::uint64_t content_at = padded(sizeof *note + std::uint64_t{note->n_namesz});
      const std::uint64_t end = content_at + note->n_descsz;
      if (end > notes.size()) return Damaged();
      if (IsOurs(notes, *note)) MR_RETURN_IF_ERROR(CheckNote(notes.substr(0, end)));
      notes.remove_prefix(std::min<std::uint64_t>(padded(end), notes.size()));
    }
    return Status::Ok();
  }

  static bool IsOurs(std::string_view notes, const Elf64_Nhdr& note) {
    static constexpr ModuleNote kOurs;
    return note.n_namesz == kOurs.name_bytes && notes.substr(sizeof note, note.n_namesz) ==
                                                    std::string_view(kOurs.name, kOurs.name_bytes);
  }

  // One of several objects may be an old one.
  Status CheckNote(std::string_view bytes) {
    static constexpr ModuleNote kOurs;
    const std::optional<ModuleNote> note = ReadAt<ModuleNote>(bytes, 0);
    if (!note || note->type != kOurs.type || note->format_version != kOurs.format_version ||
        note->abi_version != kOurs.abi_version)
      return OtherVersion(name_);
    has_note_ = true;
    return Status::Ok();
  }

  const std::string_view elf_, name_;
  bool has_note_ = false;
};

}  // namespace

Status CheckModuleNote(std::string_view elf, std::string_view name) {
  return NoteCheck(elf, name).Check();
}

}  // namespace millrace
