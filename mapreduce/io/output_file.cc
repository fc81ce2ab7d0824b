// SPDX-License-Identifier: Apache-2.0
// What is compressed goes to its encoder in slices of 1 MiB of content, whatever Append was given:
// that is a zstd frame, and it makes the compressed bytes independent of the caller's slicing.

#include "mapreduce/io/output_file.h"

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "mapreduce/base/bytes.h"

namespace millrace {
namespace {

constexpr std::size_t kSliceBytes = std::size_t{1} << 20;
constexpr int kZstdLevel = 3;
constexpr int kGzipLevel = 6;

/// Turns slices into stored bytes, which it appends to `out`.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual Status Begin(std::string*) { return Status::Ok(); }
  virtual Status Encode(std::string_view slice, std::string* out) = 0;
  virtual Status End(std::string*) { return Status::Ok(); }
};

class ZstdEncoder : public Encoder {
 public:
  ZstdEncoder() : context_(ZSTD_createCCtx()) {}
  ~ZstdEncoder() override { ZSTD_freeCCtx(context_); }

  Status Begin(std::string* out) override {
    if (context_ == nullptr) return Status::ResourceLimit("no memory for a zstd context");
    MR_RETURN_IF_ERROR(
        Check(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel)));
    MR_RETURN_IF_ERROR(Check(ZSTD_CCtx_setParameter(context_, ZSTD_c_contentSizeFlag, 1)));
    MR_RETURN_IF_ERROR(Check(ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1)));
    PutLittle32(kMarkerMagic, out);
    PutLittle32(kMarkerText.size(), out);
    *out += kMarkerText;
    AddEntry(out->size(), 0);
    return Status::Ok();
  }

  Status Encode(std::string_view slice, std::string* out) override {
    const std::size_t before = out->size();
    out->resize(before + ZSTD_compressBound(slice.size()));
    const std::size_t stored = ZSTD_compress2(context_, out->data() + before, out->size() - before,
                                              slice.data(), slice.size());
    MR_RETURN_IF_ERROR(Check(stored));
    out->resize(before + stored);
    AddEntry(stored, slice.size());
    return Status::Ok();
  }

  Status End(std::string* out) override {
    PutLittle32(kSeekTableMagic, out);
    PutLittle32(static_cast<std::uint32_t>(entries_.size() + kSeekTableFooterBytes), out);
    *out += entries_;
    PutLittle32(static_cast<std::uint32_t>(entries_.size() / 8), out);
    *out += '\0';
    PutLittle32(kSeekTableFooterMagic, out);
    return Status::Ok();
  }

 private:
  static Status Check(std::size_t result) {
    if (!ZSTD_isError(result)) return Status::Ok();
    return Status::ResourceLimit("zstd: ", ZSTD_getErrorName(result));
  }
  static void PutLittle32(std::uint64_t value, std::string* out) {
    char bytes[4];
    StoreLittle32(bytes, static_cast<std::uint32_t>(value));
    out->append(bytes, sizeof(bytes));
  }
  void AddEntry(std::size_t stored_bytes, std::size_t bytes) {
    PutLittle32(stored_bytes, &entries_);
    PutLittle32(bytes, &entries_);
  }

  ZSTD_CCtx* const context_;
  std::string entries_;  // Of the seek table, 8 bytes per frame.
};

class GzipEncoder : public Encoder {
 public:
  ~GzipEncoder() override { deflateEnd(&stream_); }

  // zlib's own header has no name and no time.
  Status Begin(std::string*) override {
    const int result = deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, /*windowBits=*/15 + 16,
                                    /*memLevel=*/8, Z_DEFAULT_STRATEGY);
    return result == Z_OK ? Status::Ok() : Status::ResourceLimit("no memory for a gzip writer");
  }
  Status Encode(std::string_view slice, std::string* out) override {
    return Deflate(slice, Z_NO_FLUSH, out);
  }
  Status End(std::string* out) override { return Deflate({}, Z_FINISH, out); }

 private:
  Status Deflate(std::string_view slice, int flush, std::string* out) {
    stream_.next_in = reinterpret_cast<const Bytef*>(slice.data());
    stream_.avail_in = static_cast<uInt>(slice.size());
    int result;
    do {
      const std::size_t before = out->size();
      out->resize(before + kSliceBytes);
      stream_.next_out = reinterpret_cast<Bytef*>(out->data() + before);
      stream_.avail_out = static_cast<uInt>(kSliceBytes);
      result = deflate(&stream_, flush);
      out->resize(out->size() - stream_.avail_out);
      if (result == Z_STREAM_ERROR) return Status::Internal("deflate was used wrongly");
    } while (stream_.avail_out == 0 || (flush == Z_FINISH && result != Z_STREAM_END));
    return Status::Ok();
  }

  z_stream stream_{};
};

class EncodedOutputFile : public OutputFile {
 public:
  // A null encoder stores the bytes as they are.
  EncodedOutputFile(FileSystem& files, std::string path, std::unique_ptr<WritableFile> file,
                    std::unique_ptr<Encoder> encoder)
      : files_(files),
        path_(std::move(path)),
        file_(std::move(file)),
        encoder_(std::move(encoder)) {
    if (encoder_ == nullptr) return;
    slice_.reserve(kSliceBytes);
    status_ = encoder_->Begin(&stored_);
  }

  ~EncodedOutputFile() override {
    if (!is_complete_) Discard();
  }

  void Append(std::string_view bytes) override {
    if (encoder_ == nullptr) {
      if (status_.ok()) status_ = Store(bytes);
      return;
    }
    while (!bytes.empty() && status_.ok()) {
      if (slice_.empty() && bytes.size() >= kSliceBytes) {  // Without a copy.
        status_ = Write(bytes.substr(0, kSliceBytes));
        bytes.remove_prefix(kSliceBytes);
        continue;
      }
      const std::size_t n = std::min(kSliceBytes - slice_.size(), bytes.size());
      slice_.append(bytes.data(), n);
      bytes.remove_prefix(n);
      if (slice_.size() == kSliceBytes) WriteSlice();
    }
  }

  Status status() const override { return status_; }

  Result<OutputFileInfo> Close() override {
    if (status_.ok() && !slice_.empty()) WriteSlice();
    if (status_.ok()) status_ = End();
    if (!status_.ok()) {
      Discard();
      return status_;
    }
    is_complete_ = true;
    return OutputFileInfo{.path = path_, .bytes = bytes_, .xxh128 = hasher_.Digest()};
  }

 private:
  void WriteSlice() {
    status_ = Write(slice_);
    slice_.clear();
  }

  Status Write(std::string_view slice) {
    MR_RETURN_IF_ERROR(encoder_->Encode(slice, &stored_).Annotate(path_));
    return Flush();
  }

  Status Flush() {
    MR_RETURN_IF_ERROR(Store(stored_));
    stored_.clear();
    return Status::Ok();
  }

  Status Store(std::string_view stored) {
    if (stored.empty()) return Status::Ok();
    hasher_.Update(stored);
    bytes_ += stored.size();
    return file_->Append(stored);
  }

  Status End() {
    if (encoder_ != nullptr) {
      MR_RETURN_IF_ERROR(encoder_->End(&stored_).Annotate(path_));
      MR_RETURN_IF_ERROR(Flush());
    }
    MR_RETURN_IF_ERROR(file_->Sync());
    return file_->Close();
  }

  // Best effort: what can't be removed lies in a work directory, which the next run clears.
  void Discard() {
    if (file_ == nullptr) return;
    file_ = nullptr;
    static_cast<void>(files_.RemoveFile(path_));
  }

  FileSystem& files_;
  const std::string path_;
  std::unique_ptr<WritableFile> file_;
  const std::unique_ptr<Encoder> encoder_;
  Status status_;
  std::string slice_;   // Content that waits to be a full slice.
  std::string stored_;  // Encoded bytes that wait to be written.
  Hasher128 hasher_;
  std::uint64_t bytes_ = 0;
  bool is_complete_ = false;
};

}  // namespace

Result<std::unique_ptr<OutputFile>> OutputFile::Create(FileSystem& files, std::string path,
                                                       Compression compression) {
  std::unique_ptr<Encoder> encoder;
  if (compression == Compression::kZstd) encoder = std::make_unique<ZstdEncoder>();
  if (compression == Compression::kGzip) encoder = std::make_unique<GzipEncoder>();
  MR_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, files.Create(path));
  return std::unique_ptr<OutputFile>(
      new EncodedOutputFile(files, std::move(path), std::move(file), std::move(encoder)));
}

}  // namespace millrace
