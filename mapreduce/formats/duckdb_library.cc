// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/formats/duckdb_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>

namespace millrace {
namespace {

constexpr char kVariable[] = "MILLRACE_DUCKDB";
constexpr char kLibraryName[] = "libduckdb.so";
#if defined(__aarch64__)
#define MR_DUCKDB_PACKAGE_ "@duckdb/node-bindings-linux-arm64"
#else
#define MR_DUCKDB_PACKAGE_ "@duckdb/node-bindings-linux-x64"
#endif
constexpr char kHowToGetIt[] =
    "get it with `npm install --prefix DIR " MR_DUCKDB_PACKAGE_
    "` and set MILLRACE_DUCKDB=DIR/node_modules/" MR_DUCKDB_PACKAGE_ "/libduckdb.so";
#undef MR_DUCKDB_PACKAGE_

}  // namespace

Result<const DuckDb*> DuckDb::Load(const std::string& path) {
  // Its own symbols stay its own: RTLD_LOCAL. Lazily it is there in half the time, some 15 ms,
  // which each task of a cluster takes once.
  void* const handle = ::dlopen(path.empty() ? kLibraryName : path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = ::dlerror();
    return Status::InvalidArgument("Parquet needs DuckDB's library, and ",
                                   why == nullptr ? "it can't be loaded" : why, "; ", kHowToGetIt);
  }
  auto library = std::make_unique<DuckDb>();
  const char* missing = nullptr;
  const auto load = [&](auto* function, const char* name) {
    void* const symbol = ::dlsym(handle, name);
    if (symbol == nullptr) {
      missing = name;
    } else {
      *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(symbol);
    }
  };
#define MR_LOAD_(name, ...) load(&library->name, "duckdb_" #name);
  MR_DUCKDB_FUNCTIONS_(MR_LOAD_)
#undef MR_LOAD_
  if (missing != nullptr) {
    ::dlclose(handle);
    return Status::InvalidArgument("Parquet needs DuckDB 1.2 or later, and ",
                                   path.empty() ? kLibraryName : path, " has no ", missing, "; ",
                                   kHowToGetIt);
  }
  return static_cast<const DuckDb*>(library.release());
}

Result<const DuckDb*> DuckDb::Library() {
  static const Result<const DuckDb*> kLibrary = [] {
    const char* const path = std::getenv(kVariable);
    Result<const DuckDb*> library = Load(path == nullptr ? "" : path);
    return library.ok() || path == nullptr || *path == '\0'
               ? library
               : Result<const DuckDb*>(library.error().Annotate(kVariable));
  }();
  return kLibrary;
}

}  // namespace millrace
