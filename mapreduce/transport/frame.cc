// SPDX-License-Identifier: Apache-2.0
#include "mapreduce/transport/frame.h"

#include <zmq.h>

namespace millrace {
namespace {

zmq_msg_t* MessageAt(void* storage) { return static_cast<zmq_msg_t*>(storage); }

}  // namespace

Frame::Frame() {
  static_assert(sizeof(storage_) == sizeof(zmq_msg_t) && alignof(zmq_msg_t) <= alignof(void*));
  zmq_msg_init(MessageAt(storage_));
}

Frame::Frame(Frame&& other) noexcept : Frame() {
  zmq_msg_move(MessageAt(storage_), MessageAt(other.storage_));
}

Frame& Frame::operator=(Frame&& other) noexcept {
  if (this != &other) zmq_msg_move(MessageAt(storage_), MessageAt(other.storage_));
  return *this;
}

Frame::~Frame() { zmq_msg_close(MessageAt(storage_)); }

std::string_view Frame::view() const {
  zmq_msg_t* const message = MessageAt(storage_);
  return {static_cast<const char*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

}  // namespace millrace
