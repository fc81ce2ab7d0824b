// SPDX-License-Identifier: Apache-2.0
#include "worker/module_images.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "mapreduce/api/abi_version.h"
#include "mapreduce/engine/module_note.h"
#include "mapreduce/engine/utf8.h"

namespace millrace {
namespace {

Status Named(const ModuleFile& module, const Status& status) {
  if (status.ok()) return status;
  return Status::Error(status.code(), "the job module ", Printable(module.name), " ",
                       status.message());
}

}  // namespace

Status ModuleImages::CheckSigner(const ModuleFile& module) const {
  if (!signers_) return Status::Ok();
  return Named(module, CheckModuleSigner(module.signer, signers_()));
}

// Null: it isn't there.
Result<ModuleImages::Known*> ModuleImages::Find(const ModuleFile& module) {
  const auto known = std::find_if(known_.begin(), known_.end(),
                                  [&](const Known& each) { return each.hash == module.hash; });
  if (known != known_.end()) {
    known_.splice(known_.begin(), known_, known);
    return &known_.front();
  }
  const std::optional<std::string> path = cache_.Find(module.hash);
  if (!path) return nullptr;
  auto image = ModuleImage::Read(*path);
  if (!image.ok()) {
    if (image.error().code() == StatusCode::kNotFound) return nullptr;
    return Status::ResourceLimit(image.error().message());
  }
  if ((*image)->Hash() != module.hash) {  // It changes: the next one is fetched.
    cache_.Remove(module.hash);
    return nullptr;
  }
  Known fresh{module.hash, *std::move(image), {}};
  if (signers_) fresh.digest = DigestModule(fresh.image->bytes());
  known_.push_front(std::move(fresh));
  return &known_.front();
}

Result<std::shared_ptr<const ModuleImage>> ModuleImages::Get(const ModuleFile& module) {
  MR_RETURN_IF_ERROR(CheckSigner(module));
  MR_ASSIGN_OR_RETURN(const Known* const known, Find(module));
  if (known == nullptr) return std::shared_ptr<const ModuleImage>();
  const std::shared_ptr<const ModuleImage> image = known->image;
  Status status;
  if (signers_) {
    status = Named(module, CheckModuleSignature(known->digest, kJobAbiVersion, module.signer,
                                                module.signature, signers_()));
  }
  if (status.ok()) status = CheckModuleNote(image->bytes(), module.name);
  Forget();
  if (!status.ok()) return status;
  return image;
}

void ModuleImages::Forget() {
  std::size_t unused = 0;
  // The one that is being handed out has a second owner, too.
  known_.remove_if(
      [&](const Known& each) { return each.image.use_count() == 1 && ++unused > kUnusedMax; });
}

}  // namespace millrace
