// SPDX-License-Identifier: Apache-2.0
// What workers tell each other: requests for slices, and what comes of them.
#include <sstream>
#include <utility>

#include "mapreduce/proto/wire_codec.h"
#include "worker/worker.h"

namespace millrace {

void Worker::OnPeerMessage(WorkerId from, MessageBody& body) {
  if (const auto* request = std::get_if<FetchRequest>(&body)) {
    On(from, *request);
  } else if (const auto* credit = std::get_if<FetchCredit>(&body)) {
    server_.AddCredit({from, credit->reader, credit->source}, credit->up_to, now_ms_);
  } else if (auto* data = std::get_if<FetchData>(&body)) {
    std::vector<Fetcher::Outgoing> outgoing;
    std::string bytes = fetcher_.Take(from, std::move(*data), now_ms_, outgoing);
    const auto found = activities_.find(data->reader);
    if (!bytes.empty() && found != activities_.end()) {
      found->second.progress_ms = now_ms_;
      found->second.fetched_bytes += bytes.size();
      out_->push_back(
          AppendSpool{data->reader, {data->reader, data->source, from}, std::move(bytes)});
    }
    for (Fetcher::Outgoing& message : outgoing) SendTo(message.to, std::move(message.body));
  } else if (const auto* files = std::get_if<FetchFiles>(&body)) {
    fetcher_.Take(from, *files);
  } else if (const auto* refused = std::get_if<FetchRefused>(&body)) {
    fetcher_.Take(from, *refused, now_ms_);
  }
}

void Worker::On(WorkerId from, const FetchRequest& request) {
  if (request.holder != id_) {
    SendTo(from, FetchRefused{request.reader,
                              request.source,
                              StatusCode::kStale,
                              {},
                              "another worker listens there by now"});
    return;
  }
  const PhaseId phase{request.reader.task.phase.run, request.source.phase};
  std::vector<AttemptId> outputs = HeldOf(phase);
  if (outputs.size() != request.output_count || OutputsHash(outputs) != request.outputs_hash) {
    // The answers to its own reports may still be on the way.
    std::ostringstream text;
    text << "it holds " << outputs.size() << " outputs of the phase, not the "
         << request.output_count << " that are wanted";
    SendTo(
        from,
        FetchRefused{
            request.reader, request.source, StatusCode::kUnavailable, {}, std::move(text).str()});
    return;
  }
  // Whoever has bytes already gets the rest of them.
  if (!options_.host_id.empty() && request.host == options_.host_id && request.resume_at == 0) {
    out_->push_back(ListFiles{from, request, std::move(outputs)});
  } else {
    OpenStream(from, request, std::move(outputs));
  }
}

void Worker::OpenStream(WorkerId to, const FetchRequest& request, std::vector<AttemptId> outputs) {
  if (server_.Open({to, request.reader, request.source}, request, std::move(outputs), now_ms_))
    return;
  SendTo(to, FetchRefused{request.reader,
                          request.source,
                          StatusCode::kResourceLimit,
                          {},
                          "it serves as many readers as it may"});
}

void Worker::OnPieceRead(PieceRead& read) {
  const Address to = read.key.reader_worker;
  if (!read.piece.ok()) {
    server_.Close(read.key);
    SendTo(to, FetchRefused{read.key.reader, read.key.source,
                            read.damaged ? StatusCode::kCorrupt : StatusCode::kUnavailable,
                            read.damaged, read.piece.error().message()});
  } else if (server_.TakePiece(read.key, read.offset, *read.piece)) {
    ServedPiece& piece = *read.piece;
    FetchData data{read.key.reader, read.key.source,    {},
                   read.offset,     piece.stream_bytes, std::move(piece.bytes)};
    if (read.offset == 0) data.slices = std::move(piece.slices);
    SendTo(to, std::move(data));
  }
}

void Worker::OnFilesListed(const FilesListed& listed) {
  const FetchRequest& request = listed.request;
  const Address to = listed.reader_worker;
  if (!listed.files.ok()) {
    SendTo(to, FetchRefused{request.reader, request.source,
                            listed.damaged ? StatusCode::kCorrupt : StatusCode::kUnavailable,
                            listed.damaged, listed.files.error().message()});
    return;
  }
  const MessageBody body = FetchFiles{request.reader, request.source, *listed.files};
  if (EncodeMessage({Epoch(), UINT64_MAX, body}).size() <= FrameBytesMax(body)) {
    SendTo(to, body);
    return;
  }
  std::vector<AttemptId> outputs;
  for (const FetchFile& file : *listed.files) outputs.push_back(file.output);
  OpenStream(listed.reader_worker, request, std::move(outputs));
}

}  // namespace millrace
